/** Reservations without a row of their own: those that come together share one decision and one commit. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Reservation, ReserveRequest } from '../facade.ts'
import type { StoredClaim } from '../store/claims.ts'
import { takeTogether } from '../store/private-parts-together.ts'
import type { Taking } from '../store/private-parts-together.ts'
import type { Admission } from './admission.ts'
import { grantOf, reservationOf } from './grants.ts'
import { eventOf } from './history.ts'
import { grantManyAlong } from './many-along.ts'
import type { QuotaParts } from './parts.ts'
import { mayWait } from './patience.ts'

/** So many are decided by one statement: few enough that the first does not wait for the last. */
const batchMax = 64
/** So many batches are under way at once: one is thought about while another's commit waits for the disk. */
const writersMax = 3

const waitsForRows = { isolation: 'read committed' } as const

interface Asked {
  request: ReserveRequest
  claim: StoredClaim
  answer: PromiseWithResolvers<Reservation>
}

/**
 * As a disk is shared by commits, so is a commit by decisions: while one batch is written, those who come are the next.
 * Each is granted by itself; whoever is not granted so is asked about again alone, and waits or is refused as always.
 */
export class Together {
  readonly #parts: Pick<QuotaParts, 'db' | 'history'>
  readonly #admission: Pick<Admission, 'reserve' | 'claimOf'>
  readonly #outside = AsyncLocalStorage.snapshot()
  #asked: Asked[] = []
  #writers = 0

  constructor(parts: Pick<QuotaParts, 'db' | 'history'>, admission: Pick<Admission, 'reserve' | 'claimOf'>) {
    this.#parts = parts
    this.#admission = admission
  }

  async reserve(request: ReserveRequest): Promise<Reservation> {
    const { db } = this.#parts
    db.assertOutside('A reservation in a transaction of its own')
    const claim = this.#admission.claimOf(request)
    // SQLite's transactions share their commits already. Who may wait has a place in a line to be looked at.
    if (db.dialect === 'sqlite' || mayWait(request) || request.whenFull === 'count') return this.#alone(request)
    const answer = Promise.withResolvers<Reservation>()
    this.#asked.push({ request, claim, answer })
    if (this.#writers < writersMax) void this.#outside(() => this.#write())
    return answer.promise
  }

  #alone(request: ReserveRequest): Promise<Reservation> {
    return this.#parts.db.transaction((tx) => this.#admission.reserve(tx, request), waitsForRows)
  }

  /** Never fails: every failure is somebody's answer. */
  async #write(): Promise<void> {
    this.#writers++
    // Whoever asks in this moment is part of the first batch.
    await Promise.resolve()
    for (let batch = this.#next(); batch.length > 0; batch = this.#next()) await this.#decide(batch)
    this.#writers--
  }

  /** Of one subject only the first: the others find what became of it. */
  #next(): Asked[] {
    const batch = new Map<string, Asked>(),
      later: Asked[] = []
    for (const asked of this.#asked) {
      const isNext = batch.size < batchMax && !batch.has(asked.claim.subject)
      if (isNext) batch.set(asked.claim.subject, asked)
      else later.push(asked)
    }
    this.#asked = later
    return [...batch.values()]
  }

  async #decide(batch: readonly Asked[]): Promise<void> {
    const along = await this.#granted(batch, (claims) => this.#takePrivately(claims))
    const alone = await this.#granted(along, (claims) => this.#grantAlong(claims))
    for (const { request, answer } of alone) this.#alone(request).then(answer.resolve, answer.reject)
  }

  /**
   * Answers those that a transaction of their own grants and gives the others. One that fails as a whole grants nobody,
   * or, if the connection broke at its commit, all: who asks again alone finds out, for a subject has one claim.
   */
  async #granted(
    batch: readonly Asked[],
    grant: (claims: readonly StoredClaim[]) => Promise<Set<string>>,
  ): Promise<Asked[]> {
    if (batch.length === 0) return []
    const claims = batch.map(({ claim }) => claim)
    const made = await grant(claims).catch(() => new Set<string>())
    for (const { claim, answer } of batch) if (made.has(claim.subject)) answer.resolve(reservationOf(claim))
    return batch.filter(({ claim }) => !made.has(claim.subject))
  }

  async #takePrivately(claims: readonly StoredClaim[]): Promise<Set<string>> {
    const { db, history } = this.#parts,
      takings = claims.map((claim) => this.#takingOf(claim))
    const made = await takeTogether(db, takings)
    history.witnessed(takings.filter(({ claim }) => made.has(claim.subject)).map(({ told }) => told))
    return made
  }

  #takingOf(claim: StoredClaim): Taking {
    const told = this.#parts.history.rowsOf(grantOf(claim))[0]!,
      { topic, payload } = eventOf(told)!
    return { claim, told, event: { topic, payload: JSON.stringify(payload) } }
  }

  #grantAlong(claims: readonly StoredClaim[]): Promise<Set<string>> {
    return this.#parts.db.transaction((tx) => grantManyAlong(tx, this.#parts, claims), waitsForRows)
  }
}
