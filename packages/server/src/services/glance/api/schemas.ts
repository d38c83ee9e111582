/** The JSON schemas that Glance serves of its own entities; clients build their models from them. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import { containerFormats, diskFormats, visibilities } from '../manager/fields.ts'
import type { GlanceApi } from './glance-api.ts'

const text = (description: string, extra: object = {}) => ({ type: 'string', description, ...extra })
const orNull = (type: string, description: string, extra: object = {}) => ({
  type: ['null', type],
  description,
  ...extra,
})
const readOnly = { readOnly: true }
const uuidPattern = '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$'

const image = {
  name: 'image',
  additionalProperties: { type: 'string' },
  links: [
    { rel: 'self', href: '{self}' },
    { rel: 'enclosure', href: '{file}' },
    { rel: 'describedby', href: '{schema}' },
  ],
  properties: {
    id: text('An identifier for the image', { pattern: uuidPattern }),
    name: orNull('string', 'Descriptive name for the image', { maxLength: 255 }),
    status: text('Status of the image', {
      ...readOnly,
      enum: [
        'queued',
        'saving',
        'active',
        'killed',
        'deleted',
        'uploading',
        'importing',
        'pending_delete',
        'deactivated',
      ],
    }),
    visibility: text('Scope of image accessibility', { enum: visibilities }),
    protected: { type: 'boolean', description: 'If true, image will not be deletable.' },
    os_hidden: { type: 'boolean', description: 'If true, image will not appear in default image list response.' },
    owner: orNull('string', 'Owner of the image', { maxLength: 255 }),
    container_format: orNull('string', 'Format of the container', { enum: [null, ...containerFormats] }),
    disk_format: orNull('string', 'Format of the disk', { enum: [null, ...diskFormats] }),
    min_disk: { type: 'integer', description: 'Amount of disk space (in GB) required to boot image.' },
    min_ram: { type: 'integer', description: 'Amount of ram (in MB) required to boot image.' },
    size: orNull('integer', 'Size of image file in bytes', readOnly),
    virtual_size: orNull('integer', 'Virtual size of image in bytes', readOnly),
    checksum: orNull('string', 'md5 hash of image contents.', { ...readOnly, maxLength: 32 }),
    os_hash_algo: orNull('string', 'Algorithm to calculate os_hash_value', { ...readOnly, maxLength: 64 }),
    os_hash_value: orNull('string', 'Hexdigest of the image contents', { ...readOnly, maxLength: 128 }),
    tags: {
      type: 'array',
      description: 'List of strings related to the image',
      items: { type: 'string', maxLength: 255 },
    },
    created_at: text('Date and time of image registration', readOnly),
    updated_at: text('Date and time of the last image modification', readOnly),
    self: text('An image self url', readOnly),
    file: text('An image file url', readOnly),
    schema: text('An image schema url', readOnly),
  },
}

const member = {
  name: 'member',
  properties: {
    member_id: text('An identifier for the image member (tenantId)'),
    image_id: text('An identifier for the image', { pattern: uuidPattern }),
    status: text('The status of this image member', { enum: ['pending', 'accepted', 'rejected'] }),
    created_at: text('Date and time of image member creation'),
    updated_at: text('Date and time of last modification of image member'),
    schema: text('The schema of this member', readOnly),
  },
}

const task = {
  name: 'task',
  properties: {
    id: text('An identifier for the task', { pattern: uuidPattern }),
    type: text('The type of task', { enum: ['api_image_import'] }),
    status: text('The current status of this task', { enum: ['pending', 'processing', 'success', 'failure'] }),
    owner: text('An identifier for the owner of this task'),
    message: text('Human-readable informative message'),
    input: orNull('object', 'The parameters required by task'),
    result: orNull('object', 'The result of current task'),
    created_at: text('Datetime when this resource was created'),
    updated_at: text('Datetime when this resource was updated'),
    expires_at: orNull('string', 'Datetime when this resource would be subject to removal'),
    self: text('The task url', readOnly),
    schema: text('The task schema url', readOnly),
  },
}

const listOf = (name: string, item: object) => ({
  name,
  properties: {
    [name]: { type: 'array', items: item },
    schema: { type: 'string' },
    first: { type: 'string' },
    next: { type: 'string' },
  },
  links: [
    { rel: 'first', href: '{first}' },
    { rel: 'next', href: '{next}' },
    { rel: 'describedby', href: '{schema}' },
  ],
})

const schemas: Record<string, object> = {
  image,
  images: listOf('images', image),
  member,
  members: listOf('members', member),
  task,
  tasks: listOf('tasks', task),
}

export const schemaRoutes: Route<GlanceApi>[] = Object.entries(schemas).map(([name, schema]) =>
  defineRoute<GlanceApi>({
    id: `schemas.${name}`,
    method: 'GET',
    path: `/schemas/${name}`,
    summary: `The schema of ${name}`,
    policy: 'authenticated',
    reply: { status: 200 },
    handler: () => schema,
  }),
)
