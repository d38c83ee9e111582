/** Actions that exist in the API and that containers here cannot do: told so, in the way upstream's drivers are. */
import type { Action } from '#platform/api-kit/route.ts'
import { badRequest, unsupported } from '#platform/errors/errors.ts'
import type { NovaApi } from './nova-api.ts'
import type { ServerAction } from './server-actions.ts'

interface Absence {
  key: string
  rule: string
  what: string
  why: string
  kind?: 'badRequest'
  since?: string
  until?: string
}

const absences: Absence[] = [
  {
    key: 'rescue', rule: 'os_compute_api:os-rescue', what: 'rescue',
    why: 'a container has no disk that another system could repair; rebuild it or run a command in it',
  },
  { key: 'unrescue', rule: 'os_compute_api:os-unrescue', what: 'unrescue', why: 'no server can be in rescue mode' },
  {
    key: 'shelve', rule: 'os_compute_api:os-shelve:shelve', what: 'shelve',
    why: 'make an image of the server and delete it instead',
  },
  {
    key: 'shelveOffload', rule: 'os_compute_api:os-shelve:shelve_offload', what: 'shelveOffload',
    why: 'no server can be shelved',
  },
  { key: 'unshelve', rule: 'os_compute_api:os-shelve:unshelve', what: 'unshelve', why: 'no server can be shelved' },
  {
    key: 'trigger_crash_dump', rule: 'os_compute_api:servers:trigger_crash_dump', what: 'trigger_crash_dump',
    why: 'a container has no kernel of its own', since: '2.17',
  },
  {
    key: 'migrate', rule: 'os_compute_api:os-migrate-server:migrate', what: 'migrate',
    why: 'No valid host was found: containers are not moved between hosts', kind: 'badRequest',
  },
  {
    key: 'os-migrateLive', rule: 'os_compute_api:os-migrate-server:migrate_live', what: 'os-migrateLive',
    why: 'No valid host was found: running containers cannot be moved', kind: 'badRequest',
  },
  {
    key: 'evacuate', rule: 'os_compute_api:os-evacuate', what: 'evacuate',
    why: 'a lost host is evacuated by policy, not by hand', kind: 'badRequest',
  },
  {
    key: 'os-getVNCConsole', rule: 'os_compute_api:os-remote-consoles', what: 'get vnc console',
    why: 'a container has no screen; see os-getConsoleOutput', until: '2.5',
  },
  {
    key: 'os-getSPICEConsole', rule: 'os_compute_api:os-remote-consoles', what: 'get spice console',
    why: 'a container has no screen; see os-getConsoleOutput', until: '2.5',
  },
  {
    key: 'os-getRDPConsole', rule: 'os_compute_api:os-remote-consoles', what: 'get rdp console',
    why: 'a container has no screen; see os-getConsoleOutput', until: '2.5',
  },
  {
    key: 'os-getSerialConsole', rule: 'os_compute_api:os-remote-consoles', what: 'get serial console',
    why: 'a container has no serial port; see os-getConsoleOutput', until: '2.5',
  },
  {
    key: 'os-getMKSConsole', rule: 'os_compute_api:os-remote-consoles', what: 'get mks console',
    why: 'a container has no screen', since: '2.8',
  },
  {
    key: 'addFloatingIp', rule: 'os_compute_api:os-floating-ips:add', what: 'addFloatingIp',
    why: 'associate the floating IP with the network service', until: '2.43',
  },
  {
    key: 'removeFloatingIp', rule: 'os_compute_api:os-floating-ips:remove', what: 'removeFloatingIp',
    why: 'disassociate the floating IP with the network service', until: '2.43',
  },
]

const refusalOf = ({ what, why, kind }: Absence): Error =>
  (kind === 'badRequest' ? badRequest(why) : unsupported(`Unable to ${what}, functionality not implemented: ${why}.`))

/** The server is looked up first: another project's is not found, whatever is asked of it. */
export const absentActions = (serverAction: ServerAction): Action<NovaApi>[] => absences.map((absence) =>
  serverAction(
    absence.key, absence.rule, `Refuse to ${absence.what}`, () => { throw refusalOf(absence) },
    { since: absence.since, until: absence.until },
  ))
