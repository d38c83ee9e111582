/** Floating IPs say what their router's host reported: ACTIVE, or ERROR when the router could not be made whole. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { floatingIpKind } from '../../store/kinds.ts'
import { isIn, list } from '../../store/records.ts'
import type { FloatingIp } from '../../store/tables.ts'
import type { HostNetworkReport, WantedRouter } from '../../ports.ts'
import type { NeutronParts } from '../parts.ts'

type Status = 'ACTIVE' | 'DOWN' | 'ERROR'

/** A floating IP that was aimed elsewhere since the host was asked is not what the host spoke of. */
const isCarriedBy = (router: WantedRouter, floating: FloatingIp): boolean => {
  const address = floating.floating_ip_address
  return floating.fixed_ip_address === null
    ? router.portForwardings.some((one) => one.address === address)
    : router.floatingIps.some((one) => one.address === address && one.fixedIp === floating.fixed_ip_address)
}

/** The status that a host's report gives to each floating IP of its routers, if it is another than before. Pure. */
export const floatingStatusesOf = (
  floating: FloatingIp[],
  routers: WantedRouter[],
  { problems }: Pick<HostNetworkReport, 'problems'>,
): Map<string, Status> => {
  const asked = new Map(routers.map((router) => [router.id, router]))
  const broken = new Set(problems.filter(({ kind }) => kind === 'router').map(({ id }) => id))
  const changes = new Map<string, Status>()
  for (const one of floating) {
    const router = asked.get(one.router_id ?? '')
    if (!router || !isCarriedBy(router, one)) continue
    const status = broken.has(router.id) ? 'ERROR' : 'ACTIVE'
    if (one.status !== status) changes.set(one.id, status)
  }
  return changes
}

/** Writes what a host reported about the routers that it was asked for. No revision: nobody changed the record. */
export const floatingStatusesSet = async (
  { db }: Pick<NeutronParts, 'db'>,
  routers: WantedRouter[],
  report: Pick<HostNetworkReport, 'problems'>,
): Promise<void> => {
  const floating = await floatingOf(db, routers)
  const changes = [...floatingStatusesOf(floating, routers, report)]
  if (changes.length === 0) return
  await db.transaction(async (tx) => {
    for (const [id, status] of changes)
      await floatingStatusSet(
        tx,
        floating.find((one) => one.id === id)!,
        status,
      )
  })
}

/** Whether a floating IP of these routers has not been reported since it was aimed. */
export const hasUnreported = async ({ db }: Pick<NeutronParts, 'db'>, routers: WantedRouter[]): Promise<boolean> => {
  const silent = (await floatingOf(db, routers)).filter(({ status }) => status === 'DOWN')
  return floatingStatusesOf(silent, routers, { problems: [] }).size > 0
}

const floatingOf = async (executor: Executor, routers: WantedRouter[]): Promise<FloatingIp[]> => {
  const ids = routers.filter((one) => one.floatingIps.length + one.portForwardings.length > 0).map(({ id }) => id)
  return ids.length === 0 ? [] : list(executor, floatingIpKind, { conditions: [isIn('router_id', ids)] })
}

/** A router that is switched off carries nothing. */
export const floatingStatusesDown = async (tx: Tx, routerId: string): Promise<void> => {
  for (const one of await list(tx, floatingIpKind, { conditions: [isIn('router_id', [routerId])] }))
    await floatingStatusSet(tx, one, 'DOWN')
}

/** Only while it still leads where it led when it was read. */
const floatingStatusSet = (tx: Tx, { id, router_id, status: before }: FloatingIp, status: Status): Promise<unknown> =>
  tx
    .as<{ neutron_floatingip: { id: string; router_id: string | null; status: string } }>()
    .updateTable('neutron_floatingip')
    .set({ status })
    .where('id', '=', id)
    .where('status', '=', before)
    .where('router_id', '=', router_id)
    .execute()
