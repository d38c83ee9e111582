/** What must hold of the hammered tree in every snapshot, and once all is quiet. */
import assert from 'node:assert/strict'
import { systemClock } from '#platform/clock/clock.ts'
import type { Database, Tx } from '#platform/db/database.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { isTransient } from '#platform/db/db-errors.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import type { Holding } from '#engines/quota/settings.ts'
import { growTree, treeDrift } from './manager/grown-tree.ts'
import { cellsOfRoot } from './store/cells.ts'
import { historyList } from './store/history.ts'
import { claimsOfRoot } from './store/claims.ts'
import { ticketsList } from './store/tickets.ts'
import { root, tidy, type Hammered } from './testing-tree.ts'

/** How much too much is counted, by node and law. Settings may bring it about, admission may not. */
type Debts = Map<string, number>

const debtsOf = ({ tree }: QuotaEngine): Debts => {
  const { ledger } = tree
  const over = [...tree.projects].flatMap(({ id, node }) =>
    tree.resources.flatMap((name, resource): [string, number][] => [
      [`${name} of ${id}`, ledger.counted(node, resource) - ledger.bound(node, resource)],
      [`${name} below ${id}`, ledger.subtree(node, resource) - ledger.ceiling(node, resource)],
    ]),
  )
  return new Map(over.filter(([, amount]) => amount > 0))
}

/** The numbers are what the claims add up to; where not, what would be needed to find out why. */
const assertNumbers = async (tx: Tx, engine: QuotaEngine): Promise<void> => {
  const drift = await treeDrift(tx, root, engine)
  if (drift.length === 0) return
  const cells = (await cellsOfRoot(tx, root)).filter(({ node, resource }) => drift.includes(`${resource} at ${node}`))
  const claims = await claimsOfRoot(tx, root),
    past = await historyList(tx, {}, 60)
  assert.fail(`numbers are not what claims add up to: ${JSON.stringify({ drift, cells, claims, past })}`)
}

export class Laws {
  readonly #db: Database
  readonly #hammered: Hammered
  #debts: Debts = new Map()

  constructor(hammered: Hammered) {
    this.#hammered = hammered
    this.#db = hammered.parts.db
  }

  /** On one consistent look at all tables: numbers are what claims add up to, and no debt has grown. */
  async assertHold(): Promise<void> {
    const debts = await this.#db.transaction(
      async (tx) => {
        const engine = await growTree(tx, root)
        await assertNumbers(tx, engine)
        return debtsOf(engine)
      },
      { isolation: 'repeatable read' },
    )
    for (const [name, amount] of debts)
      assert.ok(amount <= (this.#debts.get(name) ?? 0), `${name} is over-committed by ${amount}`)
    this.#debts = debts
  }

  /** An operator's change, and what it leaves too much of; it may be refused. */
  async change(projectId: string, name: string, change: Partial<Holding>): Promise<void> {
    let debts = this.#debts
    const work = (engine: QuotaEngine): string[] => {
      engine.tree.configure(projectId, engine.tree.resourceNumber(name)!, change)
      debts = debtsOf(engine)
      return [name]
    }
    try {
      await this.#db.transaction((tx) => this.#hammered.limits.changeIn(tx, projectId, work))
      this.#debts = debts
    } catch (error) {
      if (!isRefusal(error) && !isTransient(error)) throw error
    }
  }

  /** Once all are out of time nobody waits, nothing is reserved, and nothing is kept for anybody. */
  async assertComeToRest(): Promise<void> {
    const end = systemClock.now() + 60_000
    let unrest = await this.#unrest()
    while (unrest.length > 0 && systemClock.now() < end) {
      await tidy(this.#hammered)
      await systemClock.sleep(100)
      unrest = await this.#unrest()
    }
    assert.deepEqual(unrest, [])
  }

  async #unrest(): Promise<string[]> {
    const reserved = (await claimsOfRoot(this.#db, root)).filter(({ state }) => state === 'reserved')
    const tickets = await ticketsList(this.#db)
    return [
      ...(await this.#hammered.front.waitingLine.roots(1)).map((id) => `somebody waits below ${id}`),
      ...tickets.map(({ projectId }) => `${projectId} takes back`),
      ...reserved.map(({ subject }) => `${subject} is reserved`),
    ]
  }
}
