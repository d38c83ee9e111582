/** Quota in numbers for Prometheus: decisions as they happen, holdings when somebody looks. Few series always. */
import { loansOf } from '#engines/quota/loans.ts'
import type { Database } from '#platform/db/database.ts'
import type { Metrics } from '#platform/metrics/metrics.ts'
import { claimsNoticed } from '../store/claims.ts'
import { treeSums, waitingCount } from '../store/sums.ts'
import { ticketsList } from '../store/tickets.ts'
import { growTree } from './grown-tree.ts'
import type { Witness } from './history.ts'
import type { Limits } from './limits.ts'
import type { QuotaParts } from './parts.ts'

const reclaimSeconds = [1, 5, 15, 30, 60, 120, 300, 600]

/** Counts what has been committed. */
export const witness = (metrics: Metrics): Witness => {
  const decisions = metrics.counter({
    name: 'quaystone_quota_decisions_total',
    help: 'Requests by what became of them, and what was done to quota',
    labels: ['decision'] as const,
  })
  const refusals = metrics.counter({
    name: 'quaystone_quota_refusals_total',
    help: 'Refused requests by reason and by the resource that did not suffice',
    labels: ['reason', 'resource'] as const,
  })
  const reclaims = metrics.histogram({
    name: 'quaystone_quota_reclaim_seconds',
    help: 'From the notice to a borrower until it had given back',
    buckets: reclaimSeconds,
  })
  return ({ kind, times, details }) => {
    decisions.inc({ decision: kind }, times)
    if (kind === 'refused')
      refusals.inc({ reason: String(details.reason), resource: String(details.resource) }, times)
    if (typeof details.recalledForMs === 'number') reclaims.observe(details.recalledForMs / 1000)
  }
}

/** Trees with series of their own: those that use most. All others are one, called `others`. */
const treesMax = 50
const others = 'others'

const helpOf = {
  limit: 'What a tree of projects may use; +Inf for no limit',
  used: 'What is in use in a tree of projects',
  reserved: 'What is promised in a tree and has not started',
  borrowed: 'What is lent to projects of a tree, by others or out of a pool',
  lent: 'What projects of a tree lend of their own, without what comes from pools; not told of others',
}

/** Limits and use of whole trees, looked up when Prometheus asks: once for all series. */
export const gauges = (metrics: Metrics, { db }: Pick<QuotaParts, 'db'>, limits: Limits): void => {
  let looking: Promise<GaugeRow[]> | undefined
  const look = (): Promise<GaugeRow[]> =>
    (looking ??= rowsOf(db, limits).finally(() => {
      looking = undefined
    }))
  for (const [kind, help] of Object.entries(helpOf)) {
    metrics.gauge({
      name: `quaystone_quota_${kind}`,
      help,
      labels: ['tree', 'resource'] as const,
      collect: async (gauge) => {
        const rows = await look()
        gauge.reset()
        for (const row of rows.filter(({ tree }) => kind !== 'lent' || tree !== others))
          gauge.inc({ tree: row.tree, resource: row.resource }, row[kind as keyof typeof helpOf])
      },
    })
  }
  metrics.gauge({
    name: 'quaystone_quota_waiting',
    help: 'Owners for whom something is taken back, borrowers that were told to give back, requests in line',
    labels: ['who'] as const,
    collect: async (gauge) => {
      gauge.set({ who: 'owner' }, (await ticketsList(db)).length)
      gauge.set({ who: 'borrower' }, (await claimsNoticed(db)).length)
      gauge.set({ who: 'request' }, await waitingCount(db))
    },
  })
}

interface GaugeRow {
  tree: string
  resource: string
  limit: number
  used: number
  reserved: number
  borrowed: number
  lent: number
}

const rowsOf = async (db: Database, limits: Limits): Promise<GaugeRow[]> => {
  const sums = await treeSums(db)
  const weight = new Map<string, number>()
  for (const { root, used } of sums) weight.set(root, (weight.get(root) ?? 0) + used)
  const shown = new Set(
    [...weight]
      .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .slice(0, treesMax)
      .map(first),
  )
  const limitsOf = await limits.limitsOfRoots([...weight.keys()])
  const borrowing = sums.filter(({ root, borrowed }) => borrowed > 0 && shown.has(root))
  const lent = await lentBy(db, new Set(borrowing.map(({ root }) => root)))
  return sums.map(({ root, resource, used, reserved, borrowed }) => ({
    tree: shown.has(root) ? root : others,
    resource,
    limit: infinite(limitsOf.get(root)![resource] ?? 0),
    used: used - reserved,
    reserved,
    borrowed,
    lent: lent.get(`${root} ${resource}`) ?? 0,
  }))
}

const first = ([key]: readonly [string, number]): string => key
const infinite = (limit: number): number => (limit === -1 ? Infinity : limit)

/** Who lends to whom takes the whole tree: only trees with series of their own in which somebody borrows are grown. */
const lentBy = async (db: Database, roots: ReadonlySet<string>): Promise<Map<string, number>> => {
  const lent = new Map<string, number>()
  for (const root of roots) {
    const { tree } = await growTree(db, root)
    tree.resources.forEach((name, resource) => {
      const own = loansOf(tree, resource).filter(({ fromPool }) => !fromPool)
      lent.set(
        `${root} ${name}`,
        own.reduce((sum, { amount }) => sum + amount, 0),
      )
    })
  }
  return lent
}
