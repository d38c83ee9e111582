/** `os-instance_usage_audit_log`: hosts that told their usage. None needs to here: rows are the books. */
import { isoSeconds } from '#platform/clock/clock.ts'
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { badRequest } from '#platform/errors/errors.ts'
import { momentOf } from './manners.ts'
import type { NovaApi } from './nova-api.ts'

const path = '/os-instance_usage_audit_log'
const rule = (verb: string) => `os_compute_api:os-instance-usage-audit-log:${verb}`

/** `2026-11-23 10:00:00`, as this API alone writes moments. */
const written = (ms: number): string => isoSeconds(ms).slice(0, 19).replace('T', ' ')

/** The first moment of the month of `ms`, and that of the month before. */
const monthBefore = (ms: number): { begins: number; ends: number } => {
  const [year = 0, month = 1] = isoSeconds(ms).split('-').map(Number)
  const ends = Date.UTC(year, month - 1, 1)
  return { begins: Date.UTC(year, month - 2, 1), ends }
}

const view = async (api: NovaApi, before: number) => {
  const hosts = await api.hosts.list()
  const { begins, ends } = monthBefore(before)
  return {
    hosts_not_run: hosts.map((host) => host.name), log: {}, num_hosts: hosts.length, num_hosts_done: 0,
    num_hosts_not_run: hosts.length, num_hosts_running: 0, overall_status: `0 of ${hosts.length} hosts done. 0 errors.`,
    period_beginning: written(begins), period_ending: written(ends), total_errors: 0, total_instances: 0,
  }
}

const momentBefore = (text: string): number => {
  const form = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$/
  if (!form.test(text)) throw badRequest(`Invalid timestamp for date ${text}: write YYYY-MM-DD HH:MM:SS`)
  return momentOf(text, 'before')
}

export const auditLogRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'auditLog.list', method: 'GET', path, summary: "Show last month's usage reports", policy: rule('list'),
    reply: { status: 200 },
    handler: async (api) => ({ instance_usage_audit_logs: await view(api, api.usage.now()) }),
  }),
  defineRoute<NovaApi>({
    id: 'auditLog.show', method: 'GET', path: `${path}/{before}`, summary: 'Show the usage reports before a moment',
    policy: rule('show'), reply: { status: 200 },
    handler: async (api, _, { params }) => {
      const before = decodeURIComponent(params.before!.replace(/%(?![0-9a-f]{2})/gi, '%25'))
      return { instance_usage_audit_log: await view(api, momentBefore(before)) }
    },
  }),
]
