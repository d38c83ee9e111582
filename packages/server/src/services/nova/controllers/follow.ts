/** `nova.follow`: makes servers' rows say what their containers are, and ends what was ordered. */
import type { Bus } from '#platform/bus/bus.ts'
import type { OutboxEvent } from '#platform/bus/outbox-relay.ts'
import type { Tx } from '#platform/db/database.ts'
import { defineController } from '#platform/controllers/controller.ts'
import type { Controller } from '#platform/controllers/controller.ts'
import type { Workload } from '#services/workloads/facade.ts'
import type { Server } from '../manager/model.ts'
import type { NovaParts } from '../manager/parts.ts'
import { subjectsOf } from '../manager/parking.ts'
import { actionsFinish } from '../store/actions.ts'
import { migrationMove } from '../store/migrations-list.ts'
import { serverFetch, serverIdsAlive, serversByIds, serversUnsettled, serverUpdate } from '../store/servers.ts'
import { follow } from '../states/follow.ts'
import type { Following } from '../states/follow.ts'

interface Sight { server: Server; workload: Workload | undefined; zone: string | null }
interface FollowStep { id: string; workload: Workload | undefined; zone: string | null }

/** A container changed, or a server without one is to go. */
const topics = ['workloads.changed', 'nova.server.bare']
const perPass = 200
/** A process that runs no controllers hears of everything and looks at nothing. */
const idsMax = 10_000
const everySeconds = 5

/**
 * Where to look first: ids that changed since the last pass. It only shortens the way; the periodic pass looks at
 * every unsettled server and at a further stretch of all the others, so a lost id is found without it.
 */
class LookAgain {
  readonly #ids = new Set<string>()
  #before: string[] = []
  constructor(bus: Bus) {
    for (const topic of topics) bus.subscribe(topic, (data) => {
      const { id } = (data as OutboxEvent).payload as { id?: unknown }
      if (typeof id === 'string' && this.#ids.size < idsMax) this.#ids.add(id)
    })
  }

  /** The new ones, and those of the pass before: what was at work then, may have been passed over. */
  take(limit: number): string[] {
    const fresh = [...this.#ids].slice(0, limit)
    for (const id of fresh) this.#ids.delete(id)
    const taken = [...new Set([...fresh, ...this.#before])]
    this.#before = fresh
    return taken
  }
}

/** Zones of hosts: asked for when a host is new, has changed, or was last asked for long ago. */
class Zones {
  readonly #parts: NovaParts
  #known = new Map<string, string>()
  #askedAt = -Infinity
  constructor(parts: NovaParts, bus: Bus) {
    this.#parts = parts
    bus.subscribe('workloads.hosts', () => { this.#askedAt = -Infinity })
  }

  async of(host: string): Promise<string | undefined> {
    const now = this.#parts.clock.now()
    if (!this.#known.has(host) || now - this.#askedAt >= everySeconds * 1000) {
      this.#askedAt = now
      const hosts = await this.#parts.facades.workloads.hosts()
      this.#known = new Map(hosts.map(({ name, availabilityZone }) => [name, availabilityZone]))
    }
    return this.#known.get(host)
  }
}

/** Reads rows and workloads, a stretch at a time. */
class Lookout {
  readonly #parts: NovaParts
  readonly #first: LookAgain
  readonly #zones: Zones
  #sweptAt = 0
  #after = ''
  constructor(parts: NovaParts, bus: Bus) {
    this.#parts = parts
    this.#first = new LookAgain(bus)
    this.#zones = new Zones(parts, bus)
  }

  async observe(limit: number): Promise<Sight[]> {
    const ids = await this.#idsToSee(limit)
    const { workloads } = this.#parts.facades
    // The servers first: a workload is made in the transaction that says so in its server's row, and never before it.
    const servers = await serversByIds(this.#parts.db, ids)
    const found = await workloads.fetchMany(ids)
    const alive = [...servers.values()].filter((server) => !server.deleted)
    const sights: Sight[] = []
    for (const server of alive) {
      const workload = found.get(server.id)
      sights.push({ server, workload, zone: await this.#zone(server, workload?.hostName ?? server.host) })
    }
    return sights
  }

  /** That of the host it is on; looked up only when it has moved onto one. */
  async #zone({ host, zone }: Server, nowOn: string | null): Promise<string | null> {
    if (nowOn === null || nowOn === host) return zone
    return (await this.#zones.of(nowOn)) ?? zone
  }

  async #idsToSee(limit: number): Promise<string[]> {
    const changed = this.#first.take(limit)
    if (changed.length && this.#parts.clock.now() - this.#sweptAt < everySeconds * 1000) return changed
    this.#sweptAt = this.#parts.clock.now()
    const unsettled = await serversUnsettled(this.#parts.db, limit)
    const others = await serverIdsAlive(this.#parts.db, this.#after, limit)
    this.#after = others.length < limit ? '' : others.at(-1)!
    return [...new Set([...changed, ...unsettled, ...others])]
  }
}

const needsWriting = (following: Following, zone: string | null, server: Server): boolean =>
  Object.keys(following.change).length > 0 || following.gone === true || zone !== server.zone

export class Follower {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  plan = (sights: Sight[]): FollowStep[] => sights
    .filter(({ server, workload, zone }) => needsWriting(follow(server, workload), zone, server))
    .map(({ server, workload, zone }) => ({ id: server.id, workload, zone }))

  /** The row is read again in the transaction: an order given since then is not undone by what was seen before it. */
  act = ({ id, workload, zone }: FollowStep): Promise<void> => this.#parts.db.transaction(async (tx) => {
    const server = await serverFetch(tx, id)
    if (!server || server.deleted) return
    const following = follow(server, workload)
    if (!needsWriting(following, zone, server)) return
    await (following.gone ? this.#bury(tx, server) : this.#write(tx, server, following, zone))
    if (following.ended) await this.#finish(tx, server, following, workload)
  })

  async #write(tx: Tx, server: Server, { change, ended }: Following, zone: string | null): Promise<void> {
    const now = this.#parts.clock.now()
    const moved = change.vmState !== undefined || change.taskState !== undefined
    await serverUpdate(tx, server.id, { ...change, zone, ...(moved && { updatedAt: Math.max(now, server.updatedAt) }) })
    if (!ended) return
    if (change.vmState === 'resized') await migrationMove(tx, server.id, ['migrating'], 'finished', now)
    if (server.taskState === 'resize_reverting') await migrationMove(tx, server.id, ['reverting'], 'reverted', now)
    if (change.vmState === 'error') await migrationMove(tx, server.id, ['migrating', 'reverting'], 'error', now)
  }

  async #bury(tx: Tx, server: Server): Promise<void> {
    const { quota, neutron } = this.#parts.facades
    const now = this.#parts.clock.now()
    await neutron.portsRelease(tx, server.id)
    const { running, disk } = await subjectsOf(tx, server.id)
    for (const subject of [...running, ...disk]) await quota.release(tx, { projectId: server.projectId, subject })
    await serverUpdate(tx, server.id, {
      vmState: 'deleted', taskState: null, powerState: 0, deleted: true, deletedAt: now, terminatedAt: now,
      updatedAt: now, groupId: null,
    })
  }

  async #finish(tx: Tx, server: Server, { ended }: Following, workload: Workload | undefined): Promise<void> {
    await actionsFinish(tx, server.id, workload?.doneGeneration ?? Number.MAX_SAFE_INTEGER, {
      result: ended!, at: this.#parts.clock.now(), host: workload?.hostName ?? server.host,
      details: ended === 'Error' ? workload?.fault?.message ?? null : null,
    })
  }
}

export const followController = (parts: NovaParts, bus: Bus): Controller<Sight[], FollowStep> => {
  const lookout = new Lookout(parts, bus)
  const follower = new Follower(parts)
  return defineController<Sight[], FollowStep>({
    name: 'nova.follow',
    about: "Makes every server's row say what its container is, and ends the actions that were ordered.",
    wakesOn: topics,
    everySeconds,
    perPass,
    observe: (limit) => lookout.observe(limit),
    plan: follower.plan,
    act: follower.act,
    key: (step) => step.id,
    concurrency: 4,
  })
}
