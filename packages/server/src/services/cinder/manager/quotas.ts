/** Cinder's quota sets, a view of what the quota service keeps, with Cinder's own rules of who may do what. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, isRefusal } from '#platform/errors/errors.ts'
import { isBelow } from '#services/keystone/facade.ts'
import type { ResourceUsage } from '#services/quota/facade.ts'
import { settingDelete, settingsOf, settingWrite, type SettingKind } from '../store/settings.ts'
import { typesList } from '../store/types.ts'
import type { CinderParts } from './parts.ts'
import { QuotaHierarchy } from './quota-hierarchy.ts'
import { cinderResources, inParentsWords, typeResources } from './quota-words.ts'

export interface QuotaNumbers {
  limit: number
  in_use: number
  reserved: number
  allocated: number
}

const ruleName = (verb: string): string => `volume_extension:quotas:${verb}`
const unlimited = -1
const limitMax = 2_147_483_647
/** Bounds one volume: nothing is used up, so it is no part of the tree. */
const perVolume = 'per_volume_gigabytes'

export class Quotas {
  readonly #parts: CinderParts
  readonly #hierarchy: QuotaHierarchy
  constructor(parts: CinderParts) {
    this.#parts = parts
    this.#hierarchy = new QuotaHierarchy(parts.facades.keystone)
  }

  /** Of a project whose caller may see it. */
  async limits(ctx: RequestContext, projectId: string): Promise<Record<string, number>> {
    await this.#assertMaySee(ctx, projectId)
    return this.limitsOf(projectId)
  }

  async usage(ctx: RequestContext, projectId: string): Promise<Record<string, QuotaNumbers>> {
    await this.#assertMaySee(ctx, projectId)
    return this.usageOf(projectId)
  }

  async defaults(ctx: RequestContext, projectId: string): Promise<Record<string, number>> {
    await this.#assertMaySee(ctx, projectId)
    const names = await this.#names()
    const counted = await this.#known(() => this.#parts.facades.quota.defaults(projectId), {})
    return pick(names, { ...counted, [perVolume]: await this.#perVolumeDefault() })
  }

  async limitsOf(projectId: string): Promise<Record<string, number>> {
    const names = await this.#names()
    const counted = await this.#known(() => this.#parts.facades.quota.limits(projectId), {})
    return pick(names, { ...counted, [perVolume]: await this.perVolumeMax(projectId) })
  }

  async usageOf(projectId: string): Promise<Record<string, QuotaNumbers>> {
    const names = await this.#names()
    const usage = await this.#known<Record<string, ResourceUsage>>(
      () => this.#parts.facades.quota.usage(projectId),
      {},
    )
    const largest = { ...numbersOf(undefined), limit: await this.perVolumeMax(projectId) }
    return Object.fromEntries(names.map((name) => [name, name === perVolume ? largest : numbersOf(usage[name])]))
  }

  async update(
    ctx: RequestContext,
    projectId: string,
    asked: Record<string, unknown>,
  ): Promise<Record<string, number>> {
    await this.#enforce(ctx, 'update', projectId)
    await this.#hierarchy.assertMayChange(ctx, projectId)
    const limits = readLimits(asked, new Set(await this.#names()))
    await this.#assertAboveUse(projectId, limits)
    const { [perVolume]: largest, ...counted } = limits
    if (Object.keys(counted).length > 0)
      await inParentsWords(() => this.#parts.facades.quota.setLimits({ projectId, limits: counted, by: ctx.userId }))
    if (largest !== undefined) await this.#perVolumeSet(projectId, largest)
    return this.limitsOf(projectId)
  }

  /** Back to the defaults, 0 below a root: refused while children hold a part, or while more than that is in use. */
  async reset(ctx: RequestContext, projectId: string): Promise<void> {
    await this.#enforce(ctx, 'delete', projectId)
    await this.#hierarchy.assertMayChange(ctx, projectId)
    const [usage, defaults] = await Promise.all([
      this.usageOf(projectId),
      this.#parts.facades.quota.defaults(projectId),
    ])
    for (const [name, { in_use, reserved, allocated }] of Object.entries(usage)) {
      if (allocated > 0) {
        throw badRequest(
          `About to delete child projects having non-zero quota. This should not be performed: ` +
            `${allocated} ${name} of project ${projectId} are allocated to its children; take them back first.`,
          { field: name, allocated },
        )
      }
      const limit = defaults[name] ?? unlimited
      if (limit >= 0 && in_use + reserved > limit) throw belowUse(name, limit, in_use + reserved)
    }
    const resources = Object.keys(usage).filter((name) => name !== perVolume)
    await this.#parts.facades.quota.resetLimits(projectId, { resources, by: ctx.userId })
    await this.#perVolumeSet(projectId, undefined)
  }

  /** What a project's volume may have at most; −1: anything. */
  async perVolumeMax(projectId: string): Promise<number> {
    const set = await settingsOf<number>(this.#parts.db, 'per-volume')
    return set.get(projectId)?.value ?? (await this.#perVolumeDefault())
  }

  async #perVolumeDefault(): Promise<number> {
    return (await settingsOf<number>(this.#parts.db, 'quota-class')).get(perVolume)?.value ?? unlimited
  }

  #perVolumeSet(projectId: string, value: number | undefined): Promise<void> {
    const at = this.#parts.clock.now()
    return this.#parts.db.transaction((tx) =>
      value === undefined
        ? settingDelete(tx, 'per-volume', projectId)
        : settingWrite(tx, 'per-volume', { name: projectId, value, at }),
    )
  }

  /** Whether every project's limit covers its use and what it gave away; every one that does not is named. */
  async validateNested(ctx: RequestContext): Promise<void> {
    ctx.enforce('volume_extension:quotas:update')
    const projects = (await this.#parts.facades.keystone.projectsList()).filter(({ isDomain }) => !isDomain)
    const wrong: string[] = []
    for (const { id } of projects) {
      for (const [name, { limit, in_use, reserved, allocated }] of Object.entries(await this.usageOf(id))) {
        const needed = in_use + reserved + allocated
        if (limit >= 0 && needed > limit)
          wrong.push(`${name} of project ${id}: limit ${limit}, in use, reserved and allocated ${needed}`)
      }
    }
    if (wrong.length > 0)
      throw badRequest(`Project quotas are not properly setup for nested quotas: ${wrong.join('; ')}.`)
  }

  /** What a class leaves open is as in the class `default`. */
  async classShow(className: string): Promise<Record<string, number>> {
    const [set, start] = await Promise.all(
      [classKind(className), classKind(defaultClass)].map((kind) => settingsOf<number>(this.#parts.db, kind)),
    )
    const own = Object.fromEntries(cinderResources.map(({ name, defaultLimit }) => [name, defaultLimit]))
    const limitOf = (name: string) => set!.get(name)?.value ?? start!.get(name)?.value ?? own[name] ?? unlimited
    return Object.fromEntries((await this.#names()).map((name) => [name, limitOf(name)]))
  }

  /** The class `default` is the start of every project that has no limit of its own; no project is of another. */
  async classUpdate(className: string, asked: Record<string, unknown>): Promise<Record<string, number>> {
    assertClassName(className)
    const limits = readLimits(asked, new Set(await this.#names()))
    const kind = classKind(className),
      at = this.#parts.clock.now()
    await this.#parts.db.transaction(async (tx) => {
      for (const [name, value] of Object.entries(limits)) await settingWrite(tx, kind, { name, value, at })
    })
    if (className === defaultClass) await this.declare()
    return this.classShow(className)
  }

  /** Tells quota what is counted, with the defaults of now. Idempotent. */
  async declare(): Promise<void> {
    const set = await settingsOf<number>(this.#parts.db, 'quota-class')
    const typed = (await this.#typeNames()).map((name) => ({ name, defaultLimit: unlimited, unit: undefined }))
    for (const { name, defaultLimit, unit } of [...cinderResources, ...typed]) {
      if (name === perVolume) continue
      await this.#parts.facades.quota.ensureResource({
        name,
        service: 'cinder',
        defaultLimit: set.get(name)?.value ?? defaultLimit,
        ...(unit !== undefined && { unit }),
      })
    }
  }

  async #typeNames(): Promise<string[]> {
    return (await typesList(this.#parts.db)).toReversed().flatMap(({ name }) => typeResources(name))
  }

  async #names(): Promise<string[]> {
    return [...cinderResources.map(({ name }) => name), ...(await this.#typeNames())]
  }

  async #assertMaySee(ctx: RequestContext, projectId: string): Promise<void> {
    await this.#enforce(ctx, 'show', projectId)
    await this.#hierarchy.assertMaySee(ctx, projectId)
  }

  async #enforce(ctx: RequestContext, verb: string, projectId: string): Promise<void> {
    const is_below = await isBelow(this.#parts.facades.keystone, ctx.projectId, projectId)
    ctx.enforce(ruleName(verb), { project_id: projectId, is_below })
  }

  /** −1 is above everything, and what bounds one volume is not used up. */
  async #assertAboveUse(projectId: string, limits: Record<string, number>): Promise<void> {
    const [usage, isNested] = await Promise.all([this.usageOf(projectId), this.#hierarchy.hasChildren(projectId)])
    for (const [name, limit] of Object.entries(limits)) {
      if (limit === unlimited || name === perVolume) continue
      const { in_use, reserved, allocated } = usage[name]!
      const used = in_use + reserved + (isNested ? allocated : 0)
      if (limit < used) throw belowUse(name, limit, used)
    }
  }

  /** A project that quota has never met has nothing, and may have what anybody has. */
  async #known<V>(ask: () => Promise<V>, absent: V): Promise<V> {
    try {
      return await ask()
    } catch (error) {
      if (!isRefusal(error) || error.kind !== 'notFound') throw error
      this.#parts.log.debug({ reason: error.message }, 'The project has no quota')
      return absent
    }
  }
}

const defaultClass = 'default'
const classKind = (name: string): SettingKind => (name === defaultClass ? 'quota-class' : `quota-class:${name}`)

const assertClassName = (name: string): void => {
  if (name.length <= 255) return
  throw badRequest(`quota_class_name has ${name.length} characters, more than 255.`, { field: 'quota_class_name' })
}

const pick = (names: readonly string[], values: Record<string, number>): Record<string, number> =>
  Object.fromEntries(names.map((name) => [name, values[name] ?? unlimited]))

const numbersOf = (usage: ResourceUsage | undefined): QuotaNumbers => ({
  limit: usage?.limit ?? unlimited,
  in_use: usage?.inUse ?? 0,
  reserved: usage?.reserved ?? 0,
  allocated: usage?.allocated ?? 0,
})

const belowUse = (name: string, limit: number, used: number) =>
  badRequest(
    `Quota ${name} limit must be equal or greater than existing resources. ` +
      `Current usage is ${used} and the requested limit is ${limit}.`,
    { field: name, used, limit },
  )

/** Clients send the project and their own words along; these are no limits. */
const notLimits = new Set(['tenant_id', 'project_id', 'id', 'class_name', 'skip_validation'])

const readLimits = (asked: Record<string, unknown>, known: ReadonlySet<string>): Record<string, number> => {
  const given = Object.entries(asked).filter(([name, value]) => !notLimits.has(name) && value !== undefined)
  const unknown = given.map(([name]) => name).filter((name) => !known.has(name))
  if (unknown.length > 0) throw badRequest(`Bad key(s) in quota set: ${unknown.join(', ')}`, { field: unknown[0] })
  return Object.fromEntries(given.map(([name, value]) => [name, limitOf(name, value)]))
}

const limitOf = (name: string, value: unknown): number => {
  const limit = typeof value === 'number' ? value : /^-?\d{1,10}$/.test(String(value).trim()) ? Number(value) : NaN
  if (Number.isInteger(limit) && limit >= unlimited && limit <= limitMax) return limit
  throw badRequest(
    `Invalid input for quota limit ${name}. Value: ${JSON.stringify(value)}. ` +
      `It must be a whole number from -1 (no limit) to ${limitMax}.`,
    { field: name },
  )
}
