/** A network over several hosts: a VXLAN device in its bridge, and the table of who is where. Pure. */
import { canonicalAddress } from '#engines/cidr/address.ts'
import type { WantedNetwork } from '#services/neutron/ports.ts'
import { without } from './filter-model.ts'
import { bridgeDevice, digest, namespacePath, vxlanDevice, type Names } from './names.ts'
import type { FoundNamespace } from './namespace.ts'
import type { Step } from './shell.ts'

/** Where this host meets the others. `port` is UDP; 4789 when absent. */
export interface Underlay {
  address: string
  port?: number
}

/** Head-end replication: what is for everybody is sent to each host of this network. */
const everybody = '00:00:00:00:00:00'

export function vxlanSteps(
  names: Names,
  is: FoundNamespace,
  network: WantedNetwork,
  underlay: Underlay | undefined,
): Step[] {
  const netns = namespacePath(names.networkNamespace(network.id))
  const link = is.links.get(vxlanDevice)
  const about = `carry network ${network.id} over hosts`
  const removal: Step = { about, tool: 'ip', netns, lines: link ? [`link del dev ${vxlanDevice}`] : [] }
  if (!underlay || network.external || network.remotes.length === 0) return [removal]
  const alias = names.alias(
    'vxlan',
    network.id,
    digest(JSON.stringify([network.segmentationId, network.mtu, underlay])),
  )
  const stands = link?.alias === alias
  const isRight = stands && link.up && link.master === bridgeDevice
  return [
    ...(stands ? [] : [removal, { about, tool: 'ip', lines: [createLine(network, underlay, netns)] } satisfies Step]),
    {
      about,
      tool: 'ip',
      netns,
      lines: isRight ? [] : [`link set dev ${vxlanDevice} alias ${alias} addrgenmode none master ${bridgeDevice} up`],
    },
    { about, tool: 'bridge', netns, lines: forwardingLines(stands ? is.remotes : [], network) },
  ]
}

/** Made in the host's namespace, where its packets leave, and put into the network's, where its frames arrive. */
function createLine(network: WantedNetwork, { address, port = 4789 }: Underlay, netns: string): string {
  const tunnel = `type vxlan id ${network.segmentationId} local ${address} dstport ${port} nolearning`
  return `link add name ${vxlanDevice} netns ${netns} mtu ${network.mtu} ${tunnel}`
}

function forwardingLines(found: string[], network: WantedNetwork): string[] {
  const wanted = new Set(
    network.remotes.flatMap((remote) => {
      const address = canonicalAddress(remote.address) ?? remote.address
      return [everybody, ...remote.macs.map((mac) => mac.toLowerCase())].map((mac) => `${mac} ${address}`)
    }),
  )
  const have = new Set(found)
  return [
    ...without(have, wanted).map((entry) => `fdb del ${entryText(entry)} self`),
    ...without(wanted, have).map((entry) => `fdb append ${entryText(entry)} self permanent`),
  ]
}

const entryText = (entry: string): string => {
  const [mac, address] = entry.split(' ')
  return `${mac} dev ${vxlanDevice} dst ${address}`
}
