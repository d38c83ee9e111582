/** Nova's quota sets, which are a view of what the quota service keeps. */
import type { RequestContext } from '#platform/auth/context.ts'
import { isBelow } from '#services/keystone/facade.ts'
import type { SetLimitsRequest } from '#services/quota/facade.ts'
import { badRequest, isRefusal } from '#platform/errors/errors.ts'
import { keypairsList } from '../store/keypairs.ts'
import { defaultClass, quotaClassRead, quotaClassWrite } from '../store/quota-classes.ts'
import type { NovaParts } from './parts.ts'
import { novaResources } from './quota-words.ts'

/** `allocated`: given to the projects below, as Kilo's nested quota tells. */
export interface QuotaNumbers { limit: number; inUse: number; reserved: number; allocated: number }
/** Who changes quotas, for their history. */
type Caller = Pick<RequestContext, 'userId'>

export type QuotaSet = Record<string, QuotaNumbers>

/** Nova's network quotas of old: shown until 2.35, never counted, as upstream with Neutron. */
export const networkQuotas: Record<string, number> = {
  fixed_ips: -1, floating_ips: -1, security_groups: -1, security_group_rules: -1,
}

export class Quotas {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  /** Upstream asks Keystone, after its policy. */
  async assertProject(projectId: string): Promise<void> {
    if (await this.#parts.facades.keystone.projectFetch(projectId)) return
    throw badRequest(`Project ID ${projectId} is not a valid project.`, { field: 'project_id' })
  }

  isBelow(above: string, projectId: string): Promise<boolean> {
    return isBelow(this.#parts.facades.keystone, above, projectId)
  }

  async limits(projectId: string): Promise<Record<string, number>> {
    return this.#named(await this.#parts.facades.quota.limits(projectId))
  }

  async defaults(projectId: string): Promise<Record<string, number>> {
    return this.#named(await this.#parts.facades.quota.defaults(projectId))
  }

  /** With how much is used: key pairs by Nova's own count, all else by quota's. */
  async detail(projectId: string, userId: string): Promise<QuotaSet> {
    const [limits, usage, keypairs] = await Promise.all([
      this.limits(projectId), this.#parts.facades.quota.usage(projectId), keypairsList(this.#parts.db, userId),
    ])
    return Object.fromEntries(Object.entries(limits).map(([name, limit]) => [name, {
      limit, inUse: name === 'key_pairs' ? keypairs.length : usage[name]?.inUse ?? 0,
      reserved: usage[name]?.reserved ?? 0, allocated: usage[name]?.allocated ?? 0,
    }]))
  }

  async update(
    caller: Caller, projectId: string, limits: Record<string, number>, force: boolean,
  ): Promise<Record<string, number>> {
    const counted = Object.fromEntries(Object.entries(limits).filter(([name]) => !(name in networkQuotas)))
    if (Object.keys(counted).length) await this.#set({ projectId, limits: counted, force, by: caller.userId })
    return this.limits(projectId)
  }

  /** Of what Nova counts: other services' quotas are theirs to delete. */
  async reset(caller: Caller, projectId: string): Promise<void> {
    const resources = novaResources.map(({ name }) => name)
    await this.#parts.facades.quota.resetLimits(projectId, { resources, by: caller.userId })
  }

  async classShow(className: string): Promise<Record<string, number>> {
    const defaults = Object.fromEntries(novaResources.map(({ name, defaultLimit }) => [name, defaultLimit]))
    return { ...defaults, ...networkQuotas, ...(await quotaClassRead(this.#parts.db, className)) }
  }

  /** The default class is what a project has before anybody sets anything; no project is of another, as upstream. */
  async classUpdate(name: string, amounts: Record<string, number>): Promise<Record<string, number>> {
    assertClassName(name)
    await this.#parts.db.transaction((tx) => quotaClassWrite(tx, name, amounts))
    if (name === defaultClass) await this.declare()
    return this.classShow(name)
  }

  /** Tells quota what Nova counts, and the operator's defaults. */
  async declare(): Promise<void> {
    const changed = await quotaClassRead(this.#parts.db)
    for (const { name, defaultLimit, ...kind } of novaResources) {
      await this.#parts.facades.quota.ensureResource({
        name, service: 'compute', defaultLimit: changed[name] ?? defaultLimit, ...kind,
      })
    }
  }

  async #set(request: SetLimitsRequest): Promise<void> {
    try {
      await this.#parts.facades.quota.setLimits(request)
    } catch (error) {
      if (isRefusal(error) && error.kind === 'overLimit') throw badRequest(error.message, error.details, error)
      throw error
    }
  }

  #named(limits: Record<string, number>): Record<string, number> {
    return {
      ...Object.fromEntries(novaResources.map(({ name, defaultLimit }) => [name, limits[name] ?? defaultLimit])),
      ...networkQuotas,
    }
  }
}

const assertClassName = (name: string): void => {
  if (name.length <= 255) return
  throw badRequest(`quota_class_name has ${name.length} characters, more than 255.`, { field: 'quota_class_name' })
}
