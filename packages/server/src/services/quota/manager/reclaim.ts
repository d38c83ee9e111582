/** Taking back what was lent: notices to borrowers, and a hold in which the owner finds what they released. */
import type { Tx } from '#platform/db/database.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import type { Ask, Notice } from '#engines/quota/asks.ts'
import type { Amounts } from '../facade.ts'
import { LostRace } from '../store/cells.ts'
import { claimFetch, claimInsert, claimNotice, claimsNoticed } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { projectFetch } from '../store/projects.ts'
import { ticketDelete, ticketFetch, ticketsExpired, ticketWrite } from '../store/tickets.ts'
import type { StoredTicket } from '../store/tickets.ts'
import { lineLock } from '../store/tree-locks.ts'
import { waitingFetch } from '../store/waiting.ts'
import type { StoredWaiting } from '../store/waiting.ts'
import { less, totalOf, within } from './amounts-asked.ts'
import { growTree, holdSubject, waitingHold } from './grown-tree.ts'
import type { QuotaParts } from './parts.ts'
import { recallMemory, rememberReclaim } from './reclaimed.ts'
import { wantedBy, wantedFor } from './wanted.ts'
import type { Wanted } from './wanted.ts'

/** How long the gathered capacity waits for its owner to ask again. */
export const holdMs = 300_000

/** What quota's front lends to this module: counting at a project, in the caller's transaction. */
export interface Counting {
  available(tx: Tx, projectId: string, resources: readonly string[]): Promise<Record<string, number>>
  take(tx: Tx, projectId: string, amounts: Record<string, number>): Promise<void>
  commit(tx: Tx, subject: string): Promise<void>
  cancel(tx: Tx, subject: string): Promise<unknown>
}

export interface Wish {
  projectId: string
  amounts: Record<string, number>
  subject: string
  /** Default: the subject. */
  lineage?: string
  /** Default 0. */
  priority?: number
  /** It stands in line: when it no longer does there is nothing to wish for. */
  waits?: boolean
}

/**
 * Whom the request would cost: nobody, where what is missing must come back by itself. Nothing if it has no right to
 * enough. Changes the engine it is given.
 */
export const planOf = (engine: QuotaEngine, wish: Wish, nowMs: number): Notice[] | undefined => {
  const ask: Ask = {
    id: wish.projectId,
    project: wish.projectId,
    amounts: wish.amounts,
    whenFull: 'reclaim',
    lineage: wish.lineage ?? wish.subject,
    priority: wish.priority,
  }
  const outcome = engine.claim(ask, nowMs)
  if (outcome.state === 'waiting') return []
  return outcome.state === 'reclaiming' ? outcome.notices : undefined
}

/** When the last of them must have ended; now, if there is none. */
export const dueOf = (notices: readonly Notice[], nowMs: number): number =>
  Math.max(nowMs, ...notices.map(({ deadlineMs }) => deadlineMs))

/** `shrink`: its project, or one above it, has used more than it may for too long. */
export type ToldNotice = Pick<Notice, 'claim' | 'project' | 'deadlineMs'> & { right: Notice['right'] | 'shrink' }

export class Reclaim {
  readonly #parts: QuotaParts
  readonly #counting: Counting

  constructor(parts: QuotaParts, counting: Counting) {
    this.#parts = parts
    this.#counting = counting
  }

  /** Gives notice for a wish that was refused for now. Again and again the same wish changes nothing. */
  async begin(tx: Tx, wish: Wish): Promise<void> {
    const project = await projectFetch(tx, wish.projectId)
    if (!project) return
    // Whoever gives back gathers for the same ticket.
    await lineLock(tx, project.rootId, [project.id])
    if ((await claimsNoticed(tx, wish.projectId)).length > 0) return
    if (wish.waits && !(await waitingFetch(tx, wish.subject))) return
    // A ticket for which nobody has to end any more is as good as it gets; the wish asks for more.
    if (await this.redeem(tx, wish.projectId)) await this.end(tx, wish.projectId)
    const now = this.#parts.clock.now()
    const engine = await growTree(tx, project.rootId)
    await recallMemory(tx, engine, wish.lineage ?? wish.subject)
    // What is kept for the very request that is planned for is not in its way.
    engine.release(waitingHold(wish.subject), now)
    const notices = planOf(engine, wish, now)
    if (!notices) return
    const expiresAt = dueOf(notices, now) + holdMs
    const { projectId, amounts, subject, waits } = wish
    await ticketWrite(tx, { projectId, amounts, createdAt: now, expiresAt, subject: waits ? subject : null })
    for (const notice of notices) await this.notify(tx, wish.projectId, notice)
    await this.gather(tx, wish.projectId)
  }

  /** `asking`: the project for which it is. */
  async notify(tx: Tx, asking: string, notice: ToldNotice, ticket = asking): Promise<void> {
    const { claim, project, deadlineMs, right } = notice
    if ((await claimFetch(tx, claim))?.state === 'reserved') await this.#counting.commit(tx, claim)
    await claimNotice(tx, claim, { ticket, deadlineAt: deadlineMs })
    tx.emit('quota.reclaim.notice', { subject: claim, projectId: project, deadlineAt: deadlineMs, right })
    const details = { deadlineAt: deadlineMs, right, for: asking }
    await this.#parts.history.tell(tx, { kind: 'recalled', projectId: project, subject: claim, details })
  }

  /** Puts what is free now into the hold of a project's ticket; who has nothing of what it still misses may stay. */
  async gather(tx: Tx, projectId: string): Promise<void> {
    await this.#spareUseless(tx, projectId, await this.#fill(tx, projectId))
  }

  /**
   * A claim with a notice has given something back; `left` is the claim now. Once it has nothing more of what was
   * wanted its notice is answered, as if all of it had ended: it was taken back, and what it still holds is its own.
   */
  async receive(tx: Tx, left: StoredClaim, given: Amounts): Promise<void> {
    const ticket = left.ticket!,
      wanted = await this.#fill(tx, ticket)
    const isGone = Object.keys(left.amounts).length === 0,
      hasHelped = wanted.names.some((name) => name in given)
    if (isGone || (hasHelped && !holdsAny(left, wanted.missing))) {
      if (!isGone) await claimNotice(tx, left.subject)
      await rememberReclaim(tx, this.#parts.clock.now(), left)
    }
    await this.#spareUseless(tx, ticket, wanted)
  }

  /** What the ticket wants then. One for a debt gathers nothing. */
  async #fill(tx: Tx, id: string): Promise<Wanted> {
    const ticket = await ticketFetch(tx, id)
    return ticket ? wantedBy(ticket, await this.#fillHold(tx, ticket)) : wantedFor(tx, id)
  }

  /** What is held for a ticket, with all that is free now. */
  async #fillHold(tx: Tx, ticket: StoredTicket): Promise<Amounts> {
    const { projectId } = ticket,
      hold = await claimFetch(tx, holdSubject(projectId)),
      held = hold?.amounts ?? {}
    if (!(await projectFetch(tx, projectId))) return held
    const wanted = less(ticket.amounts, held)
    const gained = within(wanted, await this.#counting.available(tx, projectId, Object.keys(wanted)))
    if (Object.keys(gained).length === 0) return held
    if (hold) await this.#counting.cancel(tx, hold.subject)
    const amounts = totalOf([{ amounts: held }, { amounts: gained }])
    await this.#counting.take(tx, projectId, amounts)
    const isNew = await claimInsert(tx, this.#holdOf(projectId, amounts, ticket.expiresAt))
    if (!isNew) throw new LostRace(`another gathered for project ${projectId}`)
    if (wantedBy(ticket, amounts).missing.length === 0) await this.#tellGathered(tx, projectId, amounts)
    return amounts
  }

  async #tellGathered(tx: Tx, projectId: string, amounts: Amounts): Promise<void> {
    tx.emit('quota.reclaim.gathered', { projectId, amounts })
    await this.#parts.history.tell(tx, { kind: 'gathered', projectId, amounts })
  }

  #holdOf(projectId: string, amounts: Record<string, number>, expiresAt: number): StoredClaim {
    return {
      subject: holdSubject(projectId),
      projectId,
      amounts,
      state: 'reserved',
      reclaimable: 'never',
      priority: 0,
      startedAt: this.#parts.clock.now(),
      expiresAt,
      ticket: null,
      deadlineAt: null,
      lineage: null,
    }
  }

  /**
   * The project asks again: what was gathered for it is free for it, in this transaction and before anybody else. What
   * is for a request that waits is for no other `subject`.
   */
  async redeem(tx: Tx, projectId: string, subject?: string): Promise<boolean> {
    const ticket = await ticketFetch(tx, projectId)
    if (!ticket || (subject !== undefined && isForAnother(ticket, subject))) return false
    const hold = await claimFetch(tx, holdSubject(projectId))
    if (hold) await this.#counting.cancel(tx, hold.subject)
    return true
  }

  /** A request that waits asks for less: no more is taken back for it, and what was gathered beyond that is free. */
  async askLess(tx: Tx, { projectId, subject, amounts }: StoredWaiting): Promise<void> {
    const ticket = await ticketFetch(tx, projectId)
    if (ticket?.subject !== subject) return
    await this.redeem(tx, projectId, subject)
    await ticketWrite(tx, { ...ticket, amounts: within(ticket.amounts, amounts) })
    await this.gather(tx, projectId)
  }

  /** The ticket is served, or given up: who has not ended yet may stay. */
  end(tx: Tx, ticket: string): Promise<void> {
    return endTicket(this.#parts, tx, ticket)
  }

  spare(tx: Tx, claim: StoredClaim): Promise<void> {
    return spareClaim(this.#parts, tx, claim)
  }

  async #spareUseless(tx: Tx, ticket: string, { missing }: Wanted): Promise<void> {
    for (const claim of await claimsNoticed(tx, ticket)) if (!holdsAny(claim, missing)) await this.spare(tx, claim)
  }

  expired(limit: number): Promise<string[]> {
    return ticketsExpired(this.#parts.db, this.#parts.clock.now(), limit)
  }
}

type Told = Pick<QuotaParts, 'history'>

export const endTicket = async (parts: Told, tx: Tx, ticket: string): Promise<void> => {
  await ticketDelete(tx, ticket)
  for (const claim of await claimsNoticed(tx, ticket)) await spareClaim(parts, tx, claim)
}

export const spareClaim = async ({ history }: Told, tx: Tx, { subject, projectId }: StoredClaim): Promise<void> => {
  await claimNotice(tx, subject)
  tx.emit('quota.reclaim.cancelled', { subject, projectId })
  await history.tell(tx, { kind: 'spared', projectId, subject })
}

export const isForAnother = (ticket: Pick<StoredTicket, 'subject'>, subject: string): boolean =>
  ticket.subject !== null && ticket.subject !== subject

const holdsAny = ({ amounts }: StoredClaim, names: readonly string[]): boolean =>
  names.some((name) => name in amounts)
