/** Quota in numbers for Prometheus: decisions as they happen, holdings when somebody looks. Few series, whatever grows. */
import type { Metrics } from '#platform/metrics/metrics.ts'
import type { Witness } from './history.ts'

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
