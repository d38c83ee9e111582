/** Wishes of those who wait for what others borrowed: a wish may be lost with its process, and is told again. */
import type { Tx } from '#platform/db/database.ts'
import { projectsWithTickets } from '../store/tickets.ts'
import { waitingHeads } from '../store/waiting.ts'
import type { StoredWaiting } from '../store/waiting.ts'
import type { QuotaParts } from './parts.ts'

/** What nobody could be told to give back may be there after this: a run time is over, or somebody has cooled down. */
const againMs = 300_000
/** Whoever was not wished for in this time might as well never have been. */
const rememberedMs = 12 * againMs

export class Wishes {
  readonly #parts: Pick<QuotaParts, 'clock' | 'wish'>
  /** When this process last wished for each who waits. */
  readonly #told = new Map<string, number>()

  constructor(parts: Pick<QuotaParts, 'clock' | 'wish'>) {
    this.#parts = parts
  }

  /** Told once the ask is safe. */
  tell(tx: Tx, { projectId, amounts, subject, lineage, priority }: StoredWaiting): void {
    const wish = { projectId, amounts, subject, lineage: lineage ?? subject, priority, waits: true }
    tx.afterCommit(() => {
      this.#told.set(subject, this.#parts.clock.now())
      this.#parts.wish(wish)
    })
  }

  /**
   * For the first of one line below a root, for whose project nothing is being taken back: the one that was not wished
   * for the longest, as each wish looks at the whole tree.
   */
  async tellAgain(tx: Tx, rootId: string): Promise<void> {
    const now = this.#parts.clock.now()
    for (const [subject, at] of this.#told) if (at + rememberedMs <= now) this.#told.delete(subject)
    const heads = await waitingHeads(tx, rootId),
      served = await projectsWithTickets(tx, [...new Set(heads.map(({ projectId }) => projectId))])
    const toldAt = ({ subject }: StoredWaiting): number => this.#told.get(subject) ?? -Infinity
    const [longest] = heads
      .filter((asked) => !served.has(asked.projectId) && toldAt(asked) + againMs <= now)
      .sort((a, b) => toldAt(a) - toldAt(b) || a.since - b.since)
    if (longest) this.tell(tx, longest)
  }
}
