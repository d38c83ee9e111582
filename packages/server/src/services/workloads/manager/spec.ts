/** Which specs can be run at all, and what they take from a host. */
import { badRequest } from '#platform/errors/errors.ts'
import type { WorkloadSpec } from '../facade.ts'

export const maxHostnameLength = 63

/** Throws `badRequest` naming the field: what is wrong now would be wrong on every host. */
export function assertRunnable(spec: WorkloadSpec): void {
  const { resources, networkMode } = spec
  if (!(resources.vcpus > 0)) throw unfit('resources.vcpus', `must be above 0, not ${resources.vcpus}`)
  if (!(resources.ramMiB >= 0) || !(resources.diskGiB >= 0))
    throw unfit('resources', 'ramMiB and diskGiB must not be negative')
  if (!spec.hostname || spec.hostname.length > maxHostnameLength) {
    throw unfit('hostname', `must have 1 to ${maxHostnameLength} characters`)
  }
  if (spec.publishedPorts?.length && networkMode !== 'bridge') {
    throw unfit(
      'publishedPorts',
      `need networkMode 'bridge', not '${networkMode}': on tenant networks use a floating IP or a port forwarding`,
    )
  }
  assertNames(spec)
  const relative = spec.files.find(({ path }) => !path.startsWith('/') || path.split('/').includes('..'))
  if (relative) throw unfit('files', `'${relative.path}' must be an absolute path without '..'`)
}

const nameMax = 253
const labels = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i

/** Aliases and links are answered by the resolver of a tenant network: elsewhere nobody would. */
function assertNames({ aliases = [], links = [], networkMode }: WorkloadSpec): void {
  const field = aliases.length > 0 ? 'aliases' : 'links'
  if (aliases.length + links.length > 0 && networkMode !== 'tenant')
    throw unfit(field, `need networkMode 'tenant', not '${networkMode}': a tenant network's resolver answers them`)
  const wrong = [...aliases, ...links.map(({ alias }) => alias)].find(
    (name) => name.length > nameMax || !labels.test(name),
  )
  if (wrong !== undefined) throw unfit(field, `'${wrong}' is no DNS name`)
}

const unfit = (field: string, sentence: string) =>
  badRequest(`Invalid container spec: ${field} ${sentence}`, { field, reason: 'spec' })

/** What a placement claims; a part of a vCPU counts as a whole one, because Placement counts whole units. */
export function claimOf({ claim, resources }: WorkloadSpec): Record<string, number> {
  const wanted =
    Object.keys(claim).length > 0
      ? claim
      : { VCPU: Math.ceil(resources.vcpus), MEMORY_MB: resources.ramMiB, DISK_GB: resources.diskGiB }
  return Object.fromEntries(Object.entries(wanted).filter(([, amount]) => amount > 0))
}

export const hasOwnCommand = (spec: WorkloadSpec): boolean =>
  (spec.command?.length ?? 0) > 0 || (spec.entrypoint?.length ?? 0) > 0

/** The workload whose network this one shares, if any. */
export const sharedNetworkOf = ({ networkMode }: WorkloadSpec): string | undefined =>
  networkMode.startsWith('container:') ? networkMode.slice('container:'.length) : undefined
