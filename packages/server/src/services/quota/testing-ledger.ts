/** What many processes said that they asked for, were granted and gave back, against what the database holds. */
import assert from 'node:assert/strict'
import type { Database, Tx } from '#platform/db/database.ts'
import type { Amounts, Reservation } from './facade.ts'
import { isHold } from './manager/history.ts'
import { claimsOfRoot } from './store/claims.ts'
import { historyList } from './store/history.ts'
import { root } from './testing-tree.ts'

/** Told before it is done (`asking`, `releasing`) or once it has been answered: what a client would know. */
export type Word =
  | [kind: 'asking', subject: string, projectId: string, amounts: Amounts]
  | [kind: 'granted', subject: string, state: Reservation['state']]
  | [kind: 'refused' | 'releasing' | 'released', subject: string]

interface Entry {
  /** The process that looks after it. */
  keeper: number
  asked?: { projectId: string; amounts: Amounts }
  /** Words of several processes may come in any order: each is remembered by itself. */
  heard: Set<Word[0]>
  isCommitted: boolean
}

const historyMax = 1_000_000

export class Ledger {
  readonly #entries = new Map<string, Entry>()
  answers = 0

  note(speaker: number, word: Word): void {
    const [kind, subject] = word
    const entry = this.#entries.get(subject) ?? { keeper: speaker, heard: new Set(), isCommitted: false }
    this.#entries.set(subject, entry)
    entry.heard.add(kind)
    if (word[0] === 'asking') entry.asked = { projectId: word[2], amounts: word[3] }
    if (word[0] === 'granted' && word[2] === 'committed') entry.isCommitted = true
    if (['granted', 'refused', 'released'].includes(kind)) this.answers++
  }

  /** What a dead process may have left behind is looked after by another, as rows are. */
  handOver(from: number, to: number): string[] {
    const left = [...this.#entries].filter(
      ([, { keeper, heard }]) => keeper === from && !heard.has('refused') && !heard.has('released'),
    )
    for (const [, entry] of left) entry.keeper = to
    return left.map(([subject]) => subject)
  }

  /** Nothing lost, nothing that was given back, nothing that nobody asked for; once nobody is under way any more. */
  assertTrue(db: Database): Promise<void> {
    return db.transaction((tx) => this.#compare(tx), { isolation: 'repeatable read' })
  }

  async #compare(tx: Tx): Promise<void> {
    const claims = (await claimsOfRoot(tx, root)).filter(({ subject }) => !isHold(subject))
    for (const { subject, projectId, amounts } of claims) {
      const { asked, heard } = this.#entries.get(subject) ?? {}
      assert.deepEqual({ projectId, amounts }, asked, `${subject} is not what was asked for`)
      assert.ok(!heard!.has('released'), `${subject} was given back and is there`)
      assert.ok(!heard!.has('refused'), `${subject} was refused and is there`)
    }
    const held = new Set(claims.map(({ subject }) => subject))
    const ended = await historyList(tx, { kinds: ['expired', 'waitEnded'] }, historyMax)
    const ranOut = new Set(ended.map(({ subject }) => subject))
    for (const [subject, { heard, isCommitted }] of this.#entries) {
      if (!heard.has('granted') || heard.has('releasing') || held.has(subject)) continue
      assert.ok(!isCommitted, `${subject} was granted and committed, never given back, and is lost`)
      assert.ok(ranOut.has(subject), `${subject} was granted, has not run out, and is lost`)
    }
  }
}
