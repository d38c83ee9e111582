/** `network_data.json`: links, networks and services, as cloud-init reads them. Pure. */
import type { PlugPlan } from '#services/neutron/facade.ts'
import { formatAddress } from '#engines/cidr/address.ts'
import { netmask, parsePrefix, prefixOf } from '#engines/cidr/prefix.ts'

type WantedPort = PlugPlan['port']
type WantedSubnet = PlugPlan['network']['subnets'][number]

export const networkData = (plans: PlugPlan[]) => ({
  links: plans.map(({ port, network }) => ({
    id: linkId(port),
    vif_id: port.id,
    type: 'bridge',
    mtu: port.mtu || network.mtu,
    ethernet_mac_address: port.mac,
  })),
  networks: plans.flatMap(networksOf).map((network, at) => ({ id: `network${at}`, ...network })),
  services: resolversOf(plans[0]),
})

const linkId = ({ id }: WantedPort): string => `tap${id.slice(0, 11)}`

/** One for each address: they are set before the command runs, so that nobody has to be asked for them. */
const networksOf = (plan: PlugPlan) =>
  plan.port.addresses.flatMap(({ ip, subnetId }) => {
    const subnet = plan.network.subnets.find(({ id }) => id === subnetId)
    if (!subnet) return []
    const version = ip.includes(':') ? 6 : 4
    return [
      {
        type: `ipv${version}`,
        link: linkId(plan.port),
        ip_address: ip,
        netmask: maskOf(subnet.cidr),
        routes: routesOf(subnet, version),
        network_id: plan.network.id,
        services: resolversOf(plan),
      },
    ]
  })

function routesOf({ gatewayIp, hostRoutes }: WantedSubnet, version: 4 | 6) {
  const any = version === 4 ? '0.0.0.0' : '::'
  return [
    ...(gatewayIp ? [{ network: any, netmask: any, gateway: gatewayIp }] : []),
    ...hostRoutes.map(({ destination, nexthop }) => ({
      network: networkOf(destination),
      netmask: maskOf(destination),
      gateway: nexthop,
    })),
  ]
}

const maskOf = (cidr: string): string => {
  const prefix = parsePrefix(cidr)
  return prefix ? netmask(prefix) : ''
}

const networkOf = (cidr: string): string => {
  const prefix = parsePrefix(cidr)
  if (!prefix) return ''
  const { version, first } = prefixOf({ version: prefix.version, value: prefix.address }, prefix.length)
  return formatAddress({ version, value: first })
}

const resolversOf = (plan: PlugPlan | undefined) =>
  [...(plan?.resolvConf ?? '').matchAll(/^nameserver\s+(\S+)/gm)].map(([, address]) => ({ type: 'dns', address }))
