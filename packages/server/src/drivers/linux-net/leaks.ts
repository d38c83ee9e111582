/** What bears our mark and nobody wants. Pure: from the host as found and the wanted state to a list. */
import type { HostLeak, HostNetworkState } from '#services/neutron/ports.ts'
import type { FoundHostSide } from './host-plan.ts'
import { portDevice, type Names } from './names.ts'
import type { FoundNamespace } from './namespace.ts'

export interface FoundMarks {
  namespaces: ReadonlyMap<string, FoundNamespace>
  hostSide: FoundHostSide
}

export function leaksOf(names: Names, found: FoundMarks, wanted: HostNetworkState): HostLeak[] {
  const leak =
    (kind: HostLeak['kind']) =>
    (name: string): HostLeak => ({ kind, name, mark: names.tag })
  const namespaces = new Set([
    ...wanted.networks.map((network) => names.networkNamespace(network.id)),
    ...wanted.routers.map((router) => names.routerNamespace(router.id)),
  ])
  const legs = new Set(wanted.networks.map((network) => names.hostLeg(network.id)))
  const devices = new Set(wanted.ports.map((port) => portDevice(port.id)))
  const strayPorts = [...found.namespaces]
    .filter(([name]) => namespaces.has(name))
    .flatMap(([, namespace]) =>
      [...namespace.links.keys()].filter((name) => name.startsWith('qtp') && !devices.has(name)),
    )
  const strayLegs = [...found.hostSide.links.values()].filter(
    (link) => link.alias.startsWith(names.aliasPrefix) && !legs.has(link.name),
  )
  const isMasking = wanted.networks.some((network) => network.external && network.masquerade)
  return [
    ...[...found.namespaces.keys()].filter((name) => !namespaces.has(name)).map(leak('netns')),
    ...[...strayPorts, ...strayLegs.map((link) => link.name)].map(leak('link')),
    ...(isMasking ? [] : [...found.hostSide.filter.tables].map((family) => `${family} ${names.table}`)).map(
      leak('nft'),
    ),
  ]
}
