/** Limits and use of a project's networking, asked of and set in the quota service. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, isRefusal, notFound } from '#platform/errors/errors.ts'
import { isBelow } from '#services/keystone/facade.ts'
import type { ResourceUsage } from '#services/quota/facade.ts'
import type { NeutronParts } from './parts.ts'

/** The API's name → the quota service's. */
export const quotaNames: Record<string, string> = {
  network: 'networks',
  subnet: 'subnets',
  port: 'ports',
  router: 'routers',
  floatingip: 'floatingips',
  security_group: 'security_groups',
  security_group_rule: 'security_group_rules',
  subnetpool: 'subnetpools',
  rbac_policy: 'rbac_policies',
}

const renamed = <V>(values: Record<string, V>, absent: V): Record<string, V> =>
  Object.fromEntries(Object.entries(quotaNames).map(([name, resource]) => [name, values[resource] ?? absent]))

export class Quotas {
  readonly #parts: NeutronParts
  constructor(parts: NeutronParts) {
    this.#parts = parts
  }

  async limits(ctx: RequestContext, projectId: string): Promise<Record<string, number>> {
    await this.#assertMaySee(ctx, projectId)
    return renamed(await this.#known(projectId, (quota) => quota.limits(projectId), {}), -1)
  }

  async defaults(ctx: RequestContext, projectId: string): Promise<Record<string, number>> {
    await this.#assertMaySee(ctx, projectId)
    return renamed(await this.#known(projectId, (quota) => quota.defaults(projectId), {}), -1)
  }

  async details(
    ctx: RequestContext,
    projectId: string,
  ): Promise<Record<string, { limit: number; used: number; reserved: number }>> {
    await this.#assertMaySee(ctx, projectId)
    const usage = await this.#known<Record<string, ResourceUsage>>(projectId, (quota) => quota.usage(projectId), {})
    return Object.fromEntries(
      Object.entries(quotaNames).map(([name, resource]) => {
        const { limit = -1, inUse = 0, reserved = 0 } = usage[resource] ?? {}
        return [name, { limit, used: inUse, reserved }]
      }),
    )
  }

  /** `checkLimit`: refuses what is below the present use, which is otherwise allowed and refuses what comes. */
  async set(
    ctx: RequestContext,
    projectId: string,
    { limits: asked, checkLimit }: { limits: Record<string, number>; checkLimit: boolean },
  ): Promise<Record<string, number>> {
    await this.#enforce(ctx, 'update_quota', projectId)
    const unknown = Object.keys(asked).filter((name) => !Object.hasOwn(quotaNames, name))
    if (unknown.length > 0)
      throw badRequest(`Unrecognized attribute(s) '${unknown.join(', ')}'`, {
        type: 'HTTPBadRequest',
        field: unknown[0],
      })
    const limits = Object.fromEntries(Object.entries(asked).map(([name, limit]) => [quotaNames[name]!, limit]))
    if (checkLimit) await this.#assertAboveUse(projectId, asked)
    await this.#parts.quota().setLimits({ projectId, limits, force: true, by: ctx.userId })
    return renamed(await this.#parts.quota().limits(projectId), -1)
  }

  async #assertAboveUse(projectId: string, asked: Record<string, number>): Promise<void> {
    const usage = await this.#parts.quota().usage(projectId)
    for (const [name, limit] of Object.entries(asked)) {
      const { inUse = 0, reserved = 0 } = usage[quotaNames[name]!] ?? {}
      if (limit === -1 || limit >= inUse + reserved) continue
      throw badRequest(
        `Quota limit ${limit} for ${name} must be greater than or equal to already used ${inUse + reserved}`,
        { type: 'HTTPBadRequest', field: name },
      )
    }
  }

  /** Of what Neutron counts: other services' quotas are theirs to delete. Without one of its own: `notFound`. */
  async reset(ctx: RequestContext, projectId: string): Promise<void> {
    await this.#enforce(ctx, 'delete_quota', projectId)
    if (!(await this.#owners()).includes(projectId))
      throw notFound(`Quota for tenant ${projectId} could not be found.`, { type: 'TenantQuotaNotFound' })
    await this.#parts.quota().resetLimits(projectId, { resources: Object.values(quotaNames), by: ctx.userId })
  }

  /** Limits of every project that has some of its own, whichever door they came in by. */
  async list(ctx: RequestContext): Promise<Record<string, unknown>[]> {
    const owners = await this.#owners()
    return Promise.all(owners.map(async (id) => ({ project_id: id, tenant_id: id, ...(await this.limits(ctx, id)) })))
  }

  #owners(): Promise<string[]> {
    return this.#parts.quota().projectsLimited(Object.values(quotaNames))
  }

  #assertMaySee(ctx: RequestContext, projectId: string): Promise<void> {
    return this.#enforce(ctx, projectId === ctx.projectId ? 'get_quota_own' : 'get_quota', projectId)
  }

  async #enforce(ctx: RequestContext, rule: string, projectId: string): Promise<void> {
    const is_below = await isBelow(this.#parts.keystone(), ctx.projectId, projectId)
    ctx.enforce(rule, { project_id: projectId, tenant_id: projectId, is_below })
  }

  /** A project that the quota service does not know has nothing, and may have nothing. */
  async #known<V>(
    projectId: string,
    ask: (quota: ReturnType<NeutronParts['quota']>) => Promise<V>,
    absent: V,
  ): Promise<V> {
    try {
      return await ask(this.#parts.quota())
    } catch (error) {
      if (!isRefusal(error) || error.kind !== 'notFound') throw error
      this.#parts.log.debug({ projectId }, 'The project has no quota')
      return absent
    }
  }
}
