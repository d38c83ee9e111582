/** The names of a network: ports by their own names, devices by aliases, and links that one device alone may use. */
import type { Executor, Tx } from '#platform/db/database.ts'
import type { PortInfo } from '../facade.ts'
import type { WantedNetwork } from '../ports.ts'
import { addressHolder } from '../store/allocations.ts'
import { deviceNamesReplace, type DeviceName } from '../store/device-names.ts'
import { networkKind, portKind, subnetKind } from '../store/kinds.ts'
import { equals, fetch, isIn, list, listFields } from '../store/records.ts'
import type { Network, Port } from '../store/tables.ts'
import { changed, type NeutronParts } from './parts.ts'
import { portInfos } from './port-views.ts'

type Names = WantedNetwork['names']

export interface NameRows {
  deviceNames: DeviceName[]
  /** Ports of the devices that links lead to, on any network. */
  targets: Port[]
}

/** The domain of networks that name none: Neutron's own default. */
const defaultDomain = 'openstacklocal'

export const domainOf = ({ dns_domain }: Pick<Network, 'dns_domain'>): string =>
  dns_domain.replace(/\.$/, '').toLowerCase() || defaultDomain

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const addressesOf = (ports: Port[]): string[] =>
  ports.flatMap(({ fixed_ips }) => fixed_ips.map(({ ip_address }) => ip_address))

/** `ports` are the network's. The same rows give the same names in the same order. */
export const namesOf = (ports: Port[], { deviceNames, targets }: NameRows): Names => {
  const ofDevice = Map.groupBy(
    ports.filter(({ device_id }) => device_id !== ''),
    ({ device_id }) => device_id,
  )
  const here = deviceNames.filter(({ device_id }) => ofDevice.has(device_id))
  const aliases = here.filter(({ target_id }) => target_id === '')
  const links = here.filter(({ target_id }) => target_id !== '')
  return [
    ...gathered(ports.flatMap(ownNames)),
    ...gathered(
      aliases.flatMap(({ device_id, name }) => addressesOf(ofDevice.get(device_id)!).map((ip) => [name, ip])),
    ).map((entry) => ({ ...entry, isAlias: true })),
    ...links
      .sort((a, b) => byText(keyOf(a), keyOf(b)))
      .flatMap((link) => linkOf(link, ofDevice.get(link.device_id)!, { targets, ofDevice })),
  ]
}

const keyOf = ({ device_id, name, target_id }: DeviceName): string => `${name} ${device_id} ${target_id}`

/** A port without a name is called after its address. */
const ownNames = ({ dns_name, fixed_ips }: Port): [string, string][] =>
  fixed_ips.map(({ ip_address }) => [
    dns_name.replace(/\.$/, '').toLowerCase() || `host-${ip_address.replaceAll(/[.:]+/g, '-')}`,
    ip_address,
  ])

const gathered = (pairs: string[][]): Names =>
  [...Map.groupBy(pairs, ([name]) => name!)]
    .sort(([a], [b]) => byText(a, b))
    .map(([name, group]) => ({ name, addresses: [...new Set(group.map(([, ip]) => ip!))].sort(byText) }))

/** Where the target is in the asking server's network, else where it is at all: a router may lead there. */
function linkOf(
  { name, target_id }: DeviceName,
  askers: Port[],
  { targets, ofDevice }: { targets: Port[]; ofDevice: Map<string, Port[]> },
): Names {
  const elsewhere = targets
    .filter(({ device_id }) => device_id === target_id)
    .sort((a, b) => a.attached_at - b.attached_at || byText(a.id, b.id))
    .slice(0, 1)
  const beside = ofDevice.get(target_id) ?? targets.filter((port) => isBeside(port, target_id, askers))
  const addresses = addressesOf(beside.length > 0 ? beside : elsewhere).sort(byText)
  return addresses.length === 0 ? [] : [{ name, addresses, askers: addressesOf(askers).sort(byText), isAlias: true }]
}

const isBeside = ({ device_id, network_id }: Port, target: string, askers: Port[]): boolean =>
  device_id === target && network_id === askers[0]!.network_id

/** Ports that links lead to. */
export const linkTargets = async (executor: Executor, deviceNames: DeviceName[]): Promise<Port[]> => {
  const ids = [...new Set(deviceNames.flatMap(({ target_id }) => target_id || []))]
  return ids.length === 0 ? [] : list(executor, portKind, { conditions: [isIn('device_id', ids)] })
}

export interface DeviceNamesAsk {
  aliases: string[]
  links: { deviceId: string; alias: string }[]
}

export const deviceNamesSet = async (tx: Tx, deviceId: string, { aliases, links }: DeviceNamesAsk): Promise<void> => {
  await deviceNamesReplace(tx, deviceId, [
    ...aliases.map((name) => ({ name: name.toLowerCase(), target_id: '' })),
    ...links.map(({ alias, deviceId: target }) => ({ name: alias.toLowerCase(), target_id: target })),
  ])
  changed(tx, 'names', deviceId)
}

/** The port that has the address on the network, whose names are in `dnsDomain`. */
export const portAt = async (
  { db }: NeutronParts,
  networkId: string,
  ip: string,
): Promise<(PortInfo & { dnsDomain: string }) | undefined> => {
  const subnets = await listFields(db, subnetKind, ['id'], [equals('network_id', networkId)])
  for (const { id } of subnets) {
    const portId = await addressHolder(db, id, ip)
    const port = portId === undefined ? undefined : await fetch(db, portKind, portId)
    if (port === undefined) continue
    const [network] = await listFields(db, networkKind, ['dns_domain'], [equals('id', networkId)])
    const [info] = await portInfos(db, [port])
    return { ...info!, dnsDomain: domainOf(network ?? { dns_domain: '' }) }
  }
  return undefined
}
