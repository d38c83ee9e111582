/** Which fields an image has, which of them a client may set, and within what bounds. */
import { badRequest } from '#platform/errors/errors.ts'
import type { Image, Visibility } from '../store/tables.ts'

export const containerFormats = ['ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed']
export const diskFormats = ['ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi', 'iso', 'ploop']
export const visibilities: Visibility[] = ['community', 'public', 'private', 'shared']

/** What `POST /v2/images` may carry; unknown names are custom properties. */
export interface NewImage {
  id?: string
  name?: string | null
  visibility?: Visibility
  owner?: string | null
  container_format?: string | null
  disk_format?: string | null
  min_disk?: number
  min_ram?: number
  protected?: boolean
  os_hidden?: boolean
  tags?: string[]
  properties: Record<string, string>
}

/** Fields that only Glance itself writes. */
export const readOnlyFields = new Set([
  'id',
  'status',
  'size',
  'virtual_size',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'created_at',
  'updated_at',
  'self',
  'file',
  'schema',
  'direct_url',
  'stores',
])
/** Names that exist inside Glance but are no fields of the API. */
export const reservedFields = new Set([
  'locations',
  'deleted',
  'deleted_at',
  'is_public',
  'location',
  'properties',
  'members',
  'image_id',
])

/** API name → field of `Image`. */
export const writableFields: Record<string, keyof Image> = {
  name: 'name',
  visibility: 'visibility',
  owner: 'ownerId',
  container_format: 'containerFormat',
  disk_format: 'diskFormat',
  min_disk: 'minDiskGiB',
  min_ram: 'minRamMiB',
  protected: 'protected',
  os_hidden: 'hidden',
  tags: 'tags',
}

const propertiesMax = 128

/** Holds an image to the bounds that both creation and patches obey. */
export const assertWritable = (image: Image): void => {
  if (Object.keys(image.properties).length > propertiesMax) {
    throw badRequest(`An image may have at most ${propertiesMax} custom properties`, { field: 'properties' })
  }
  const appliance = ['ami', 'ari', 'aki'].find(
    (format) => image.containerFormat === format || image.diskFormat === format,
  )
  const mixed = image.containerFormat && image.diskFormat && image.containerFormat !== image.diskFormat
  if (appliance && mixed && image.status === 'queued') {
    throw badRequest(
      'Invalid mix of disk and container formats: when one of them is aki, ari or ami, both must be the same.',
    )
  }
}

export const checkField = (name: string, value: unknown): void => {
  const wrong = problems[name]?.(value)
  if (wrong)
    throw badRequest(`Invalid input for field/attribute ${name}. Value: ${JSON.stringify(value)}. ${wrong}`, {
      field: name,
    })
}

const oneOf = (values: string[], nullable: boolean) => (value: unknown) =>
  (nullable && value === null) || values.includes(value as string)
    ? undefined
    : `It must be one of ${values.join(', ')}`
const textUpTo = (max: number) => (value: unknown) =>
  value === null || (typeof value === 'string' && value.length <= max)
    ? undefined
    : `It must be text of at most ${max} characters`
const count = (value: unknown) =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 2_147_483_647
    ? undefined
    : 'It must be an integer from 0 to 2147483647'
const truth = (value: unknown) => (typeof value === 'boolean' ? undefined : 'It must be true or false')
const tagList = (value: unknown) =>
  Array.isArray(value) && value.every((tag) => typeof tag === 'string' && tag.length <= 255)
    ? undefined
    : 'It must be a list of texts of at most 255 characters'

const problems: Record<string, (value: unknown) => string | undefined> = {
  name: textUpTo(255),
  owner: textUpTo(255),
  visibility: oneOf(visibilities, false),
  container_format: oneOf(containerFormats, true),
  disk_format: oneOf(diskFormats, true),
  min_disk: count,
  min_ram: count,
  protected: truth,
  os_hidden: truth,
  tags: tagList,
}
