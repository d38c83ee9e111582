/** What the host holds, read with `ip` and `nft` and nothing of the driver: in the form of what it must hold. */
import { readdirSync } from 'node:fs'
import { canonicalAddress } from '#engines/cidr/address.ts'
import type { Lab, Sandbox } from '#drivers/linux-net/lab.ts'
import type { BoxFacts, HostFacts, NetworkFacts, RouterFacts } from './expected.ts'

type Read = (...command: string[]) => Promise<any>

const reader =
  (lab: Lab, netns: string): Read =>
  async (...command) => {
    const { ok, output } = await lab.in(netns, ...command)
    return ok && output.trim() !== '' ? JSON.parse(output) : []
  }

export async function observedFacts(lab: Lab, boxes: Sandbox[]): Promise<HostFacts> {
  const facts: HostFacts = { networks: {}, routers: {}, boxes: {} }
  for (const name of readdirSync('/run/netns').sort()) {
    const read = reader(lab, `/run/netns/${name}`)
    if (name.startsWith(lab.names.networkNamespacePrefix)) facts.networks[name] = await networkFacts(read, lab)
    if (name.startsWith(lab.names.routerNamespacePrefix)) facts.routers[name] = await routerFacts(read, lab)
  }
  for (const box of boxes) {
    const found = await boxFacts(reader(lab, box.netns))
    if (found) facts.boxes[box.id] = found
  }
  return facts
}

async function networkFacts(read: Read, lab: Lab): Promise<NetworkFacts> {
  const links = await read('ip', '-j', 'addr')
  const rules = await ruleSet(read, lab)
  const bridge = links.find(({ ifname }: any) => ifname === 'br')
  return {
    devices: links
      .map(({ ifname }: any) => ifname)
      .filter((name: string) => name !== 'host')
      .sort(),
    bridgeAddresses: addressesOf(bridge),
    sources: [...rules.elements('pairs4'), ...rules.elements('pairs6')].map(sourceText).sort(),
    groups: Object.fromEntries(
      rules.chains('group_ingress_').map((name) => [dashed(name.slice('group_ingress_'.length)), rules.count(name)]),
    ),
    members: Object.fromEntries(
      rules
        .sets('members4_address_')
        .map((name) => [dashed(name.slice('members4_address_'.length)), rules.elements(name).map(String).sort()]),
    ),
  }
}

async function routerFacts(read: Read, lab: Lab): Promise<RouterFacts> {
  const links = (await read('ip', '-j', 'addr')).filter(({ ifname }: any) => ifname !== 'lo')
  const rules = await ruleSet(read, lab)
  return {
    addresses: Object.fromEntries(links.map((link: any) => [link.ifname, addressesOf(link)])),
    defaults: await defaultsOf(read),
    floating: rules
      .elements('floating')
      .map(([outer, inner]: any) => `${outer} ${inner}`)
      .sort(),
  }
}

async function boxFacts(read: Read): Promise<BoxFacts | undefined> {
  const link = (await read('ip', '-j', 'addr')).find(({ ifname }: any) => ifname === 'eth0')
  if (link === undefined) return undefined
  return { mac: link.address, mtu: link.mtu, addresses: addressesOf(link), defaults: await defaultsOf(read) }
}

const addressesOf = (link: any): string[] =>
  (link?.addr_info ?? [])
    .filter(({ local }: any) => local !== undefined && !local.startsWith('fe80:'))
    .map(({ local, prefixlen }: any) => `${canonicalAddress(local) ?? local}/${prefixlen}`)
    .sort()

async function defaultsOf(read: Read): Promise<string[]> {
  const routes = [...(await read('ip', '-j', 'route')), ...(await read('ip', '-j', '-6', 'route'))]
  return routes
    .filter(({ dst }: any) => dst === 'default')
    .map(({ gateway }: any) => canonicalAddress(gateway) ?? gateway)
    .sort()
}

/** A rule set as `nft -j` lists it. */
async function ruleSet(read: Read, lab: Lab) {
  const items: any[] = (await read('nft', '-j', 'list', 'ruleset')).nftables ?? []
  const ours = (kind: string): any[] =>
    items.flatMap((item) => (item[kind]?.table === lab.names.table ? [item[kind]] : []))
  const sets = [...ours('set'), ...ours('map')]
  return {
    elements: (name: string): any[] => sets.find((set) => set.name === name)?.elem ?? [],
    sets: (prefix: string): string[] => sets.map(({ name }) => name).filter((name) => name.startsWith(prefix)),
    chains: (prefix: string): string[] =>
      ours('chain')
        .map(({ name }) => name)
        .filter((name) => name.startsWith(prefix)),
    count: (chain: string): number => ours('rule').filter((rule) => rule.chain === chain).length,
  }
}

const sourceText = ({ concat: [device, mac, ip] }: any): string => `${device} ${mac} ${canonicalAddress(ip) ?? ip}`

const dashed = (digits: string): string => digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
