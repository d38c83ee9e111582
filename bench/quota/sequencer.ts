/** ADR 0015's other way, measured and not used: one process decides in memory and commits many decisions at once. */
import type { Database, Tx } from '../../packages/server/src/platform/db/database.ts'
import { runStatement } from '../../packages/server/src/platform/db/statement.ts'
import type { QuotaEngine } from '../../packages/server/src/engines/quota/engine.ts'
import { growTree } from '../../packages/server/src/services/quota/manager/grown-tree.ts'

interface Request {
  subject: string
  project: string
  amounts: Readonly<Record<string, number>>
  answer: PromiseWithResolvers<boolean>
}

interface Tables {
  sequencer_epoch: { one: number; epoch: number }
}

const batchMax = 256

const journal = {
  sqlite: `insert into quota_claim (subject, project_id, amounts, state, reclaimable, priority, started_at)
    select value ->> 0, value ->> 1, value ->> 2, 'committed', 'never', 0, ?2 from json_each(?1)`,
  postgresql: `insert into quota_claim (subject, project_id, amounts, state, reclaimable, priority, started_at)
    select value ->> 0, value ->> 1, value ->> 2, 'committed', 'never', 0, $2 from jsonb_array_elements($1::jsonb)`,
}

/** Fenced by an epoch. It writes claims alone: no history, no events, no counters, and not the rows they are for. */
export class Sequencer {
  readonly #db: Database
  readonly #engine: QuotaEngine
  readonly #epoch: number
  #asked: Request[] = []
  #writing = false

  constructor(db: Database, engine: QuotaEngine, epoch: number) {
    this.#db = db
    this.#engine = engine
    this.#epoch = epoch
  }

  take(subject: string, project: string, amounts: Readonly<Record<string, number>>): Promise<boolean> {
    const answer = Promise.withResolvers<boolean>()
    this.#asked.push({ subject, project, amounts, answer })
    if (!this.#writing) void this.#write()
    return answer.promise
  }

  async #write(): Promise<void> {
    this.#writing = true
    // Whoever asks in this moment is part of the first batch.
    await Promise.resolve()
    while (this.#asked.length > 0) await this.#writeBatch(this.#asked.splice(0, batchMax))
    this.#writing = false
  }

  async #writeBatch(batch: readonly Request[]): Promise<void> {
    const decided = batch.map((request) => ({ request, isGranted: this.#decide(request) }))
    const granted = decided.filter(({ isGranted }) => isGranted).map(({ request }) => request)
    try {
      await this.#db.transaction((tx) => this.#journal(tx, granted), { isolation: 'read committed' })
      for (const { request, isGranted } of decided) request.answer.resolve(isGranted)
    } catch (error) {
      for (const { subject } of granted) this.#engine.release(subject, 0)
      for (const { answer } of batch) answer.reject(error)
    }
  }

  #decide({ subject, project, amounts }: Request): boolean {
    return this.#engine.claim({ id: subject, project, amounts }, 0).state !== 'refused'
  }

  /** An owner that was replaced finds another epoch, and writes nothing. */
  async #journal(tx: Tx, granted: readonly Request[]): Promise<void> {
    const mine = await tx
      .as<Tables>()
      .updateTable('sequencer_epoch')
      .set({ epoch: this.#epoch })
      .where('epoch', '=', this.#epoch)
      .executeTakeFirst()
    if (mine.numUpdatedRows === 0n) throw new Error('Another process decides now')
    const rows = granted.map(({ subject, project, amounts }) => [subject, project, JSON.stringify(amounts)])
    await runStatement(tx, journal, [JSON.stringify(rows), 0])
  }
}

export const openSequencer = async (db: Database, root: string): Promise<Sequencer> => {
  const epoch = await db.transaction(async (tx) => {
    await tx
      .as<Tables>()
      .schema.createTable('sequencer_epoch')
      .ifNotExists()
      .addColumn('one', 'integer', (column) => column.primaryKey())
      .addColumn('epoch', 'integer')
      .execute()
    const before = await tx.as<Tables>().selectFrom('sequencer_epoch').select('epoch').executeTakeFirst()
    const epoch = (before?.epoch ?? 0) + 1
    await tx.as<Tables>().deleteFrom('sequencer_epoch').execute()
    await tx.as<Tables>().insertInto('sequencer_epoch').values({ one: 1, epoch }).execute()
    return epoch
  })
  return new Sequencer(db, await growTree(db, root), epoch)
}
