/** Usage recounted from the rows that own it: what no row stands for is given back, what a row uses is counted. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { Amounts, HeldByRow, QuotaOwner } from '../facade.ts'
import { LostRace } from '../store/cells.ts'
import { claimInsert } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { claimsOfRow, subjectsAfter } from '../store/owned-claims.ts'
import { resourcesList } from '../store/resources.ts'
import { waitingFetch } from '../store/waiting.ts'
import { totalOf } from './amounts-asked.ts'
import type { QuotaParts } from './parts.ts'
import { charge } from './path-count.ts'
import type { KnownProjects } from './projects.ts'

/** A row whose claims are not what it holds. */
export interface Drift {
  prefix: string
  key: string
}

export interface Releasing {
  release(tx: Tx, request: { projectId: string; subject: string }): Promise<void>
}

/** Rows, and claims, that one pass looks at for each owner. */
const stretch = 500

const keyOf = (prefix: string, subject: string): string => subject.slice(prefix.length).split(':')[0]!

export class Owners {
  readonly #parts: QuotaParts
  readonly #projects: KnownProjects
  readonly #front: Releasing
  readonly #owners = new Map<string, QuotaOwner>()
  readonly #after = new Map<string, { row: string; claim: string }>()
  /** Seen, and not seen to be repaired yet. */
  readonly #found = new Map<string, Drift>()

  constructor(parts: QuotaParts, projects: KnownProjects, front: Releasing) {
    this.#parts = parts
    this.#projects = projects
    this.#front = front
  }

  register(owner: QuotaOwner): void {
    this.#owners.set(owner.prefix, owner)
  }

  /**
   * What is still drifted of what was found before, and then what the next stretch of every owner's rows and of the
   * claims for them shows: whoever looks twice before it acts, as one of several processes does, sees all of it again.
   */
  async drifts(limit: number): Promise<Drift[]> {
    for (const [name, { prefix, key }] of this.#found)
      if (!(await this.#isDrifted(this.#parts.db, this.#owners.get(prefix)!, key))) this.#found.delete(name)
    if (this.#found.size < limit) await this.#lookOn()
    return [...this.#found.values()].slice(0, limit)
  }

  async #lookOn(): Promise<void> {
    for (const owner of this.#owners.values())
      for (const drift of await this.#driftsOf(owner)) this.#found.set(drift.prefix + drift.key, drift)
  }

  async #driftsOf(owner: QuotaOwner): Promise<Drift[]> {
    const { db } = this.#parts,
      { prefix } = owner
    const at = this.#after.get(prefix) ?? { row: '', claim: '' }
    const rows = await owner.list(at.row, stretch)
    const subjects = await subjectsAfter(db, { prefix, after: at.claim, limit: stretch })
    this.#after.set(prefix, {
      row: rows.length < stretch ? '' : rows.at(-1)!.key,
      claim: subjects.length < stretch ? '' : subjects.at(-1)!,
    })
    const keys = new Set([...rows.map(({ key }) => key), ...subjects.map((subject) => keyOf(prefix, subject))])
    const drifted: Drift[] = []
    for (const key of keys) if (await this.#isDrifted(db, owner, key)) drifted.push({ prefix, key })
    return drifted
  }

  async #isDrifted(executor: Executor, owner: QuotaOwner, key: string): Promise<boolean> {
    return (await this.#differing(executor, owner, key)) !== undefined
  }

  /**
   * A row and its claims, if they differ. What waits is a row already, and is counted when it is granted; what a
   * deleted project leaves behind is its heir's, and nobody's if it was a root.
   */
  async #differing(
    executor: Executor,
    { prefix, look }: QuotaOwner,
    key: string,
  ): Promise<{ row: HeldByRow | undefined; claims: StoredClaim[] } | undefined> {
    // The claims first: whoever makes or ends a row between the two looks is seen as drifted once, and repaired never.
    const claims = await claimsOfRow(executor, prefix + key)
    const row = await this.#counted(executor, await look(executor, key))
    if (agrees(row, claims) || (await waitingFetch(executor, prefix + key))) return undefined
    const placed = await this.#placed(executor, row)
    return agrees(placed, claims) ? undefined : { row: placed, claims }
  }

  /** The row at the project where it counts; nothing if that is nowhere. */
  async #placed(executor: Executor, row: HeldByRow | undefined): Promise<HeldByRow | undefined> {
    const projectId = row && (await this.#projects.placeOf(executor, row.projectId))
    return projectId === undefined ? undefined : { ...row!, projectId }
  }

  /** What a row holds of that which is counted at all. */
  async #counted(executor: Executor, row: HeldByRow | undefined): Promise<HeldByRow | undefined> {
    if (!row) return undefined
    const known = new Set((await resourcesList(executor)).map(({ name }) => name))
    return { ...row, amounts: nonZero(row.amounts, known) }
  }

  /** Looks again in one transaction, and makes the claims what the row holds. Idempotent. */
  repair({ prefix, key }: Drift): Promise<void> {
    const owner = this.#owners.get(prefix)
    if (!owner) return Promise.resolve()
    return this.#parts.db.transaction(async (tx) => {
      const differing = await this.#differing(tx, owner, key)
      if (!differing) return
      const { row, claims } = differing
      for (const { projectId, subject } of claims) await this.#front.release(tx, { projectId, subject })
      if (row) await this.#impose(tx, prefix + key, row, claims[0])
      await this.#report(tx, { subject: prefix + key, owner: owner.name }, row, claims)
    })
  }

  /** Counts what is there, whether or not it fits: nothing is evicted, and nothing more is admitted. */
  async #impose(tx: Tx, subject: string, row: HeldByRow, before: StoredClaim | undefined): Promise<void> {
    const { projectId } = row,
      amounts = { ...row.amounts }
    if (Object.keys(amounts).length === 0) return
    const { priority = row.priority ?? 0, startedAt = this.#parts.clock.now(), lineage = row.lineage } = before ?? {}
    const reclaimable = before?.reclaimable ?? row.reclaimable ?? 'never'
    const claim = { subject, projectId, amounts, reclaimable, priority, startedAt, lineage }
    const project = await this.#projects.ensure(tx, projectId)
    const stands = { ...claim, state: 'committed' as const, expiresAt: null, ticket: null, deadlineAt: null }
    if (!(await claimInsert(tx, stands))) throw new LostRace(`${subject} was claimed meanwhile`)
    await charge(tx, project, { amounts, apply: (walk) => walk.count(amounts, 1, false), uncounted: subject })
  }

  async #report(
    tx: Tx,
    { subject, owner }: { subject: string; owner: string },
    row: HeldByRow | undefined,
    claims: readonly StoredClaim[],
  ): Promise<void> {
    const projectId = row?.projectId ?? claims[0]!.projectId
    const details = { owner, counted: totalOf(claims), held: row?.amounts ?? {} }
    this.#parts.log.warn({ subject, ...details }, 'Quota had not counted what a row holds, and was put right')
    tx.emit('quota.drift.repaired', { subject, projectId, ...details })
    await this.#parts.history.tell(tx, { kind: 'repaired', projectId, subject, details })
  }
}

const nonZero = (amounts: Amounts, known: ReadonlySet<string>): Record<string, number> =>
  Object.fromEntries(Object.entries(amounts).filter(([name, amount]) => amount > 0 && known.has(name)))

/** Nothing held and nothing claimed agree; so do a row that need not be counted and no claim. */
const agrees = (row: HeldByRow | undefined, claims: readonly StoredClaim[]): boolean => {
  if (claims.length === 0) return row === undefined || row.mayBeFree === true || Object.keys(row.amounts).length === 0
  if (!row || claims.some(({ projectId }) => projectId !== row.projectId)) return false
  const total = totalOf(claims)
  const names = new Set([...Object.keys(total), ...Object.keys(row.amounts)])
  return [...names].every((name) => (total[name] ?? 0) === (row.amounts[name] ?? 0))
}
