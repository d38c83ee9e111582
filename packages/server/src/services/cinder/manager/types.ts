/** Volume types: what kinds there are, who may use which, and what a volume gets whose maker names none. */
import { createHash } from 'node:crypto'
import type { RequestContext } from '#platform/auth/context.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import { isUuid, uuid } from '#platform/ids/ids.ts'
import { snapshotsCount } from '../store/snapshots.ts'
import {
  accessAdd,
  accessProjects,
  accessRemove,
  accessTypes,
  defaultTypeOf,
  defaultTypes,
  defaultTypeSet,
  defaultTypeUnset,
  typeDelete,
  typeFetch,
  typeInsert,
  typeNamed,
  typesList,
  typeUpdate,
} from '../store/types.ts'
import { volumesOfType } from '../store/volumes.ts'
import type { VolumeType } from './model.ts'
import type { CinderParts } from './parts.ts'
import type { Quotas } from './quotas.ts'
import { noType, noTypeNamed } from './refusals.ts'

/** Who asks, as far as types go. */
export interface TypeViewer {
  projectId: string
  isAdmin: boolean
}

/** The type of volumes whose maker names none, made at the first start under the same id everywhere. */
export const defaultTypeName = '__DEFAULT__'
const defaultTypeId = ((digest: string) =>
  [digest.slice(0, 8), digest.slice(8, 12), digest.slice(12, 16), digest.slice(16, 20), digest.slice(20, 32)].join(
    '-',
  ))(createHash('sha256').update('quaystone default volume type').digest('hex'))

export class Types {
  readonly #parts: CinderParts
  readonly #quotas: Quotas
  constructor(parts: CinderParts, quotas: Quotas) {
    this.#parts = parts
    this.#quotas = quotas
  }

  /** A cloud has a type from its first start on; one that its operator renamed is left alone. */
  async seed(): Promise<void> {
    if ((await typesList(this.#parts.db)).length > 0) return
    const at = this.#parts.clock.now()
    await this.#parts.db.transaction(async (tx) => {
      if ((await typesList(tx)).length > 0) return
      await typeInsert(tx, {
        id: defaultTypeId,
        name: defaultTypeName,
        description: 'Default Volume Type',
        isPublic: true,
        extraSpecs: {},
        qosId: null,
        createdAt: at,
        updatedAt: at,
      })
    })
  }

  /** Public types, and the private ones that the project may use; an administrator sees all. */
  async list(viewer: TypeViewer, isPublic: boolean | null): Promise<VolumeType[]> {
    const [types, allowed] = await Promise.all([
      typesList(this.#parts.db),
      accessTypes(this.#parts.db, viewer.projectId),
    ])
    const visible = types.filter((type) => viewer.isAdmin || type.isPublic || allowed.has(type.id))
    return isPublic === null ? visible : visible.filter((type) => type.isPublic === isPublic)
  }

  async fetch(viewer: TypeViewer, id: string): Promise<VolumeType> {
    return (await this.#visible(this.#parts.db, viewer, await typeFetch(this.#parts.db, id))) ?? missing(noType(id))
  }

  /** By id or name. */
  async find(viewer: TypeViewer, nameOrId: string): Promise<VolumeType> {
    const { db } = this.#parts
    const found = (isUuid(nameOrId) && (await typeFetch(db, nameOrId))) || (await typeNamed(db, nameOrId))
    const absent = isUuid(nameOrId) ? noType(nameOrId) : noTypeNamed(nameOrId)
    return (await this.#visible(db, viewer, found || undefined)) ?? missing(absent)
  }

  /** The type of a volume of the project when nobody names one: the project's own default, else the cloud's. */
  async defaultFor(projectId: string): Promise<VolumeType> {
    const { db } = this.#parts
    const own = await defaultTypeOf(db, projectId)
    const type = (own && (await typeFetch(db, own))) || (await this.#cloudDefault())
    return type ?? missing(notFound('There is no volume type: an administrator must create one.'))
  }

  async #cloudDefault(): Promise<VolumeType | undefined> {
    const { db } = this.#parts
    return (
      (await typeFetch(db, defaultTypeId)) ?? (await typeNamed(db, defaultTypeName)) ?? (await typesList(db)).at(-1)
    )
  }

  async #visible(
    executor: Executor,
    viewer: TypeViewer,
    type: VolumeType | undefined,
  ): Promise<VolumeType | undefined> {
    if (!type || type.isPublic || viewer.isAdmin) return type
    return (await accessTypes(executor, viewer.projectId)).has(type.id) ? type : undefined
  }

  async create(asked: {
    name: string
    description: string
    isPublic: boolean
    extraSpecs: Record<string, string>
  }): Promise<VolumeType> {
    const now = this.#parts.clock.now()
    const type: VolumeType = { id: uuid(), ...asked, qosId: null, createdAt: now, updatedAt: now }
    await this.#parts.db.transaction((tx) => typeInsert(tx, type))
    await this.#quotas.declare()
    return type
  }

  /** A name by which volumes are counted stays while there are any. */
  async update(id: string, asked: { name?: string; description?: string; isPublic?: boolean }): Promise<VolumeType> {
    const changed = await this.#change(id, async (tx, type) => {
      if (asked.name !== undefined && asked.name !== type.name) await this.#assertUnused(tx, type)
      return { ...type, ...asked }
    })
    await this.#quotas.declare()
    return changed
  }

  async #assertUnused(tx: Tx, type: VolumeType): Promise<void> {
    const volumes = await volumesOfType(tx, type.id)
    const snapshots = await snapshotsCount(tx, { equals: { type_id: [type.id] }, like: {}, metadata: {} })
    if (volumes + snapshots === 0) return
    throw badRequest(
      `Volume type ${type.name} has ${volumes} volumes and ${snapshots} snapshots, which are counted under its name. ` +
        'Make a type with the new name and retype them, or rename it when there are none.',
      { field: 'name' },
    )
  }

  async delete(id: string): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const type = (await typeFetch(tx, id)) ?? missing(noType(id))
      const isDefault =
        (await this.#cloudDefault())?.id === id || (await defaultTypes(tx)).some(({ typeId }) => typeId === id)
      if (isDefault)
        throw badRequest(`The volume type ${id} is a default volume type and cannot be deleted.`, { type: type.name })
      if ((await volumesOfType(tx, id)) > 0)
        throw badRequest('Target volume type is still in use.', { type: type.name })
      await typeDelete(tx, id)
    })
  }

  /** Sets some of a type's extra specs and leaves the others. */
  specsSet(id: string, specs: Record<string, string>): Promise<VolumeType> {
    return this.#change(id, async (tx, type) => {
      await assertNoVolumes(tx, id)
      return { ...type, extraSpecs: { ...type.extraSpecs, ...specs } }
    })
  }

  specDelete(id: string, key: string): Promise<VolumeType> {
    return this.#change(id, async (tx, type) => {
      await assertNoVolumes(tx, id)
      const { [key]: value, ...extraSpecs } = type.extraSpecs
      if (value === undefined) throw notFound(`Volume Type ${id} has no extra specs with key ${key}.`)
      return { ...type, extraSpecs }
    })
  }

  #change(id: string, change: (tx: Tx, type: VolumeType) => Promise<VolumeType>): Promise<VolumeType> {
    return this.#parts.db.transaction(async (tx) => {
      const before = (await typeFetch(tx, id)) ?? missing(noType(id))
      const after = { ...(await change(tx, before)), updatedAt: this.#parts.clock.now() }
      await typeUpdate(tx, after)
      return after
    })
  }

  async accessList(id: string): Promise<{ volume_type_id: string; project_id: string }[]> {
    const type = (await typeFetch(this.#parts.db, id)) ?? missing(noType(id))
    if (type.isPublic) throw notFound('Access list not available for public volume types.')
    return (await accessProjects(this.#parts.db, id)).map((project) => ({ volume_type_id: id, project_id: project }))
  }

  accessAdd(id: string, projectId: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const type = (await typeFetch(tx, id)) ?? missing(noType(id))
      if (type.isPublic)
        throw conflict('Invalid volume type: Type access modification is not applicable to public volume type.')
      if (!(await accessAdd(tx, id, projectId)))
        throw conflict(`Volume type access for ${id} / ${projectId} combination already exists.`)
    })
  }

  accessRemove(id: string, projectId: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const type = (await typeFetch(tx, id)) ?? missing(noType(id))
      if (type.isPublic)
        throw conflict('Invalid volume type: Type access modification is not applicable to public volume type.')
      if (!(await accessRemove(tx, id, projectId)))
        throw notFound(`Volume type access not found for ${id} / ${projectId} combination.`)
    })
  }

  async defaultsList(): Promise<{ projectId: string; typeId: string }[]> {
    return defaultTypes(this.#parts.db)
  }

  async defaultOf(projectId: string): Promise<string> {
    const typeId = await defaultTypeOf(this.#parts.db, projectId)
    return typeId ?? missing(notFound(`Default type for project ${projectId} not found.`))
  }

  async defaultSet(ctx: RequestContext, projectId: string, nameOrId: string): Promise<string> {
    const { id } = await this.find({ projectId, isAdmin: ctx.isAdmin }, nameOrId)
    await this.#parts.db.transaction((tx) => defaultTypeSet(tx, projectId, id))
    return id
  }

  defaultUnset(projectId: string): Promise<void> {
    return this.#parts.db.transaction((tx) => defaultTypeUnset(tx, projectId))
  }
}

/** What a type says is true of its volumes, so that it stays as it is while there are any. */
const assertNoVolumes = async (tx: Tx, id: string): Promise<void> => {
  if ((await volumesOfType(tx, id)) > 0)
    throw badRequest('Volume Type is currently in use.', { field: 'extra_specs' })
}

const missing = (refusal: Error): never => {
  throw refusal
}

/** `<is> True`, as types say that their volumes may be attached several times. */
export const isMultiattach = ({ extraSpecs }: Pick<VolumeType, 'extraSpecs'>): boolean =>
  /^<is>\s*true$/i.test(extraSpecs.multiattach?.trim() ?? '')
