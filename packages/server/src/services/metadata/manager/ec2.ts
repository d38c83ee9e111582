/** A server's metadata in EC2's form: a tree of texts, of which older versions show less. */
import type { PortInfo } from '#services/neutron/facade.ts'
import type { ServerRecord } from '#services/nova/facade.ts'
import type { Tree } from './pages.ts'

/** Oldest first, as Nova lists them. */
export const ec2Versions = [
  '1.0',
  '2007-01-19',
  '2007-03-01',
  '2007-08-29',
  '2007-10-10',
  '2007-12-15',
  '2008-02-01',
  '2008-09-01',
  '2009-04-04',
] as const

export interface Ec2Inputs {
  server: ServerRecord
  ports: PortInfo[]
  /** The source address of the request. */
  address: string
  /** With the domain. */
  hostname: string
}

/** Undefined: the version is not known. */
export const ec2Tree = (inputs: Ec2Inputs, version: string): Tree | undefined => {
  const at = version === 'latest' ? ec2Versions.length - 1 : ec2Versions.indexOf(version as '1.0')
  if (at < 0) return undefined
  const since = (first: (typeof ec2Versions)[number], part: () => { [name: string]: Tree }) =>
    at >= ec2Versions.indexOf(first) ? part() : {}
  const { server } = inputs
  const metaData = {
    ...basics(inputs),
    ...since('2007-01-19', () => names(inputs)),
    ...since('2007-08-29', () => ({ 'instance-type': server.flavorName })),
    // A container has one root and no disks: the names are what EC2's clients expect to find.
    ...since('2007-12-15', () => ({ 'block-device-mapping': { ami: 'sda', root: '/dev/sda' } })),
    ...since('2008-02-01', () => ({ placement: { 'availability-zone': server.zone } })),
    ...since('2008-09-01', () => ({ 'instance-action': 'none' })),
  }
  return {
    'meta-data': metaData,
    ...(server.userData !== null && { 'user-data': Buffer.from(server.userData, 'base64') }),
  }
}

const basics = ({ server, ports, address, hostname }: Ec2Inputs): { [name: string]: Tree } => ({
  'ami-id': `ami-${shortId(server.imageId ?? '')}`,
  'ami-launch-index': String(server.launchIndex),
  'ami-manifest-path': '(unknown)',
  'instance-id': `i-${shortId(server.id)}`,
  hostname,
  'local-ipv4': fixedIps(ports)[0] ?? address,
  'reservation-id': server.reservationId,
  'security-groups': server.securityGroups,
  ...(server.key && {
    'public-keys': { '0': { _name: `0=${server.key.name}`, 'openssh-key': server.key.data } },
  }),
})

const names = ({ ports, hostname }: Ec2Inputs): { [name: string]: Tree } => ({
  'local-hostname': hostname,
  'public-hostname': hostname,
  'public-ipv4': ports.flatMap(({ floatingIps }) => floatingIps.map(({ address }) => address))[0] ?? '',
})

const fixedIps = (ports: PortInfo[]): string[] =>
  ports.flatMap((port) => port.fixedIps.filter(({ version }) => version === 4).map(({ ip }) => ip))

/** EC2's ids have eight digits. */
const shortId = (id: string): string => id.replaceAll('-', '').slice(0, 8).padStart(8, '0')
