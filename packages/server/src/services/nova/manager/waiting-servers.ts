/** Servers that wait for quota: in BUILD, with a row of what they will be made from, until they get it or give up. */
import { isoSeconds } from '#platform/clock/clock.ts'
import type { Tx } from '#platform/db/database.ts'
import { isRefusal, notFound, overLimit } from '#platform/errors/errors.ts'
import type { Refusal } from '#platform/errors/errors.ts'
import type { ImageInfo } from '#services/glance/facade.ts'
import type { Reservation } from '#services/quota/facade.ts'
import { hasWorkload } from '../states/server-state.ts'
import { actionFinish, actionInsert, actionStart } from '../store/actions.ts'
import { serverGroupFetch } from '../store/server-groups.ts'
import { serverFetch, serverInsert, serversByIds, serverTagsReplace, serverUpdate } from '../store/servers.ts'
import {
  waitingAmong,
  waitingCount,
  waitingDelete,
  waitingFetch,
  waitingInsert,
  waitingOfSubject,
  waitingSubjects,
  waitingUpdate,
} from '../store/waiting.ts'
import type { WaitingServer } from '../store/waiting.ts'
import type { Server } from './model.ts'
import type { NovaParts } from './parts.ts'
import { amountsOf, askOf, batchAskOf, isOwnSubject, serverSubject } from './quota-words.ts'
import { buildServer, specOf, writePorts } from './server-build.ts'
import type { BuildInputs } from './server-build.ts'
import type { Actor } from './server-orders.ts'
import { tagsMax } from './server-settings.ts'

/** Worn by a server in the line, so that clients find who waits by `?tags=waiting-for-quota`. */
export const waitingTag = 'waiting-for-quota'

/** Nobody's quota counts who waits, so that a project's line has an end of its own. */
export const waitingMax = 1000

/** Subjects that are looked at in one query. */
const stretch = 500

/** What a subject's servers wait for has come; or it neither waits nor is held. */
export interface WaitingSight {
  subject: string
  standing: Reservation['state'] | undefined
}

export interface NewWaiting extends BuildInputs {
  reservation: Reservation
}

export class WaitingServers {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) {
    this.#parts = parts
  }

  /**
   * Writes a server that stands in line. Ports that the client brought are its own from now on, and cost no quota;
   * those that are to be made are made when it starts, so that who waits keeps nothing from others.
   */
  async enter(tx: Tx, caller: Actor, { reservation, ...inputs }: NewWaiting): Promise<void> {
    const { server, plan } = inputs
    this.#parts.facades.workloads.check(specOf(inputs))
    await this.#assertRoom(tx, server.projectId)
    const tagged = !server.tags.includes(waitingTag) && server.tags.length < tagsMax
    await writePorts(
      this.#parts,
      tx,
      server,
      plan.ports.filter((port) => port.adoptedId !== undefined),
    )
    await serverInsert(tx, { ...server, tags: tagged ? [...server.tags, waitingTag] : server.tags, awaited: 0 })
    const actionId = await actionInsert(tx, {
      serverId: server.id,
      action: 'create',
      event: 'compute__do_build_and_run_instance',
      requestId: caller.requestId,
      userId: caller.userId,
      projectId: caller.projectId,
      generation: null,
      host: null,
      message: `Waiting for quota. ${reservation.reason}`,
      result: null,
      details: null,
      startedAt: server.createdAt,
      finishedAt: null,
    })
    await waitingInsert(tx, {
      serverId: server.id,
      subject: reservation.subject,
      actionId,
      plan,
      tagged,
      reason: reservation.reason ?? '',
      since: server.createdAt,
      expiresAt: reservation.expiresAt ?? null,
    })
  }

  async #assertRoom(tx: Tx, projectId: string): Promise<void> {
    const waiting = await waitingCount(tx, projectId)
    if (waiting >= waitingMax)
      throw overLimit(`Quota exceeded: ${waiting} servers of project ${projectId} wait already, the most that may.`, {
        reason: 'LINE_FULL',
        quota: { code: 'LINE_FULL' },
        used: waiting,
        limit: waitingMax,
      })
  }

  /** Of these subjects those of which something has to be done. Subjects that no server waits for may be among them. */
  async look(subjects: readonly string[]): Promise<WaitingSight[]> {
    const { db } = this.#parts
    return this.#sights(await waitingAmong(db, subjects))
  }

  /** The same of all subjects that servers wait for. */
  async sweep(limit: number): Promise<WaitingSight[]> {
    const sights: WaitingSight[] = []
    for (let after = '', more = true; more && sights.length < limit;) {
      const subjects = await waitingSubjects(this.#parts.db, after, stretch)
      sights.push(...(await this.#sights(subjects)))
      more = subjects.length === stretch
      after = subjects.at(-1) ?? ''
    }
    return sights.slice(0, limit)
  }

  /** Those that stand in line still are passed over. */
  async #sights(subjects: readonly string[]): Promise<WaitingSight[]> {
    const standing = await this.#parts.facades.quota.standing(this.#parts.db, subjects)
    const sights = subjects.map((subject) => ({ subject, standing: standing.get(subject) }))
    return sights.filter((sight) => sight.standing !== 'waiting')
  }

  /** What waited as one was granted as one: from now on each server has its own part, and is built by itself. */
  share(subject: string): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const servers = await this.#servers(tx, subject)
      await this.#parts.facades.quota.handOn(tx, subject, servers.map(askOf))
      for (const { id } of servers) {
        await waitingUpdate(tx, id, { subject: serverSubject(id) })
        tx.emit('nova.waiting.due', { subject: serverSubject(id) })
      }
    })
  }

  /** Builds the server whose quota was granted. What cannot be built any more is given up, with the reason. */
  async build(subject: string): Promise<void> {
    const [waiting] = await waitingOfSubject(this.#parts.db, subject)
    if (!waiting) return
    try {
      const image = await this.#image(waiting.serverId)
      await this.#parts.db.transaction((tx) => this.#build(tx, waiting.serverId, image))
    } catch (error) {
      if (!isRefusal(error)) throw error
      // It was not granted after all, or no longer is, or its disk is on the way: the next look finds out.
      if (error.kind === 'gone' || error.details?.reason === 'RECLAIMING') return
      if (!finalKinds.has(error.kind)) throw error
      await this.#parts.db.transaction((tx) => this.#giveUp(tx, waiting.serverId, cannotBuild(error)))
    }
  }

  /**
   * Quota knows nothing of it: it is out of time, or its project is gone. If neither is so, somebody gave it up for us,
   * and it is asked for again.
   */
  async lost(subject: string): Promise<void> {
    try {
      await this.#parts.db.transaction((tx) => this.#askAgain(tx, subject))
    } catch (error) {
      if (!isRefusal(error) || !finalKinds.has(error.kind)) throw error
      await this.#parts.db.transaction((tx) => this.#giveUpAll(tx, subject, () => error.message))
    }
  }

  /** Its owner deletes it: it leaves the line, and what was gathered for it is free. Nothing for any other server. */
  async leave(tx: Tx, server: Server): Promise<void> {
    if (hasWorkload(server)) return
    const waiting = await waitingFetch(tx, server.id)
    if (!waiting) return
    await this.#endAction(tx, waiting, 'The server was deleted while it waited for quota.')
    await waitingDelete(tx, server.id)
    const { quota } = this.#parts.facades
    const { projectId } = server
    if (isOwnSubject(waiting.subject)) return quota.cancel(tx, waiting.subject)
    await quota.release(tx, { projectId, subject: waiting.subject, deltas: amountsOf(server.flavor) })
  }

  /** What the create's action says while its server waits: for what, since when, and who else is before it. */
  async words(server: Server): Promise<{ actionId: number; message: string } | undefined> {
    if (hasWorkload(server)) return undefined
    const waiting = await waitingFetch(this.#parts.db, server.id)
    if (!waiting) return undefined
    const line = await this.#parts.facades.quota.waiting(server.projectId)
    const position = line.find(({ subject }) => subject === waiting.subject)?.position
    return { actionId: waiting.actionId, message: sentenceOf(waiting, position) }
  }

  async #servers(tx: Tx, subject: string): Promise<Server[]> {
    const ids = (await waitingOfSubject(tx, subject)).map(({ serverId }) => serverId)
    const servers = await serversByIds(tx, ids)
    return ids.flatMap((id) => servers.get(id) ?? [])
  }

  async #image(serverId: string): Promise<ImageInfo> {
    const server = await serverFetch(this.#parts.db, serverId)
    const asSeen = { projectId: server!.projectId, isAdmin: true }
    const image = await this.#parts.facades.glance.imageFetch(server!.imageId!, asSeen)
    if (image?.status === 'active') return image
    throw notFound(`Image ${server!.imageId} could not be found any more, or is not active.`)
  }

  async #build(tx: Tx, id: string, image: ImageInfo): Promise<void> {
    const waiting = await waitingFetch(tx, id)
    const server = await serverFetch(tx, id)
    if (!waiting || !server) return
    await this.#parts.facades.quota.commit(tx, waiting.subject)
    const group = server.groupId === null ? undefined : await serverGroupFetch(tx, server.groupId)
    const awaited = await buildServer(this.#parts, tx, { server, image, group, plan: waiting.plan })
    await actionStart(tx, waiting.actionId, awaited)
    await this.#end(tx, server, waiting, {
      awaited,
      vmState: 'building',
      taskState: 'scheduling',
      forcedState: null,
      fault: null,
    })
  }

  async #askAgain(tx: Tx, subject: string): Promise<void> {
    const { quota } = this.#parts.facades
    const [first] = await waitingOfSubject(tx, subject)
    if (!first || (await quota.standing(tx, [subject])).has(subject)) return
    const now = this.#parts.clock.now()
    if (first.expiresAt !== null && first.expiresAt <= now) return this.#giveUpAll(tx, subject, outOfTime)
    const servers = await this.#servers(tx, subject)
    const { projectId } = servers[0]!
    if (!(await this.#parts.facades.keystone.projectFetch(projectId)))
      return this.#giveUpAll(tx, subject, () => `Project ${projectId}, in whose quota the server waited, is gone.`)
    const ask = isOwnSubject(subject) ? askOf(servers[0]!) : batchAskOf(servers, subject)
    const waitMaxMs = first.expiresAt === null ? undefined : first.expiresAt - now
    await quota.reserve(tx, { ...ask, whenFull: 'wait', waitMaxMs })
    tx.emit('nova.waiting.due', { subject })
  }

  async #giveUpAll(tx: Tx, subject: string, reasonOf: (waiting: WaitingServer) => string): Promise<void> {
    for (const waiting of await waitingOfSubject(tx, subject))
      await this.#giveUp(tx, waiting.serverId, reasonOf(waiting))
  }

  /** In ERROR, as after a build that failed, but it never held anything of a host, and now nothing of quota. */
  async #giveUp(tx: Tx, id: string, message: string): Promise<void> {
    const waiting = await waitingFetch(tx, id)
    const server = await serverFetch(tx, id)
    if (!waiting || !server) return
    await this.#parts.facades.neutron.portsRelease(tx, id)
    await this.#parts.facades.quota.cancel(tx, waiting.subject)
    await this.#endAction(tx, waiting, message)
    const at = this.#parts.clock.now()
    await this.#end(tx, server, waiting, {
      vmState: 'error',
      taskState: null,
      fault: { code: 403, message, details: waiting.reason, at },
    })
  }

  #endAction(tx: Tx, { actionId }: WaitingServer, details: string): Promise<void> {
    return actionFinish(tx, actionId, { result: 'Error', at: this.#parts.clock.now(), host: null, details })
  }

  async #end(tx: Tx, { id, tags }: Server, { tagged }: WaitingServer, change: Partial<Server>): Promise<void> {
    const now = this.#parts.clock.now()
    if (tagged)
      await serverTagsReplace(
        tx,
        id,
        tags.filter((tag) => tag !== waitingTag),
        now,
      )
    await serverUpdate(tx, id, { ...change, updatedAt: now })
    await waitingDelete(tx, id)
  }
}

/** Trying again would not help. */
const finalKinds: ReadonlySet<Refusal['kind']> = new Set<Refusal['kind']>([
  'badRequest',
  'forbidden',
  'notFound',
  'conflict',
  'overLimit',
])

const cannotBuild = ({ message }: Refusal): string =>
  `Quota was granted, but the server could not be built any more: ${message}`

const outOfTime = ({ since, expiresAt, reason }: WaitingServer): string =>
  `Quota exceeded: the server waited from ${isoSeconds(since)} until ${isoSeconds(expiresAt!)} in vain. ${reason}`

const sentenceOf = ({ since, expiresAt, reason }: WaitingServer, position: number | undefined): string => {
  const place = position === undefined ? '' : `, now number ${position} in line`
  const end = expiresAt === null ? '' : `, until ${isoSeconds(expiresAt)} at most`
  return `Waiting for quota since ${isoSeconds(since)}${place}${end}. ${reason}`
}
