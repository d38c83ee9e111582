/** The names of one network, looked up: pure, and the same for every transport. */
import { canonicalAddress, formatAddress, parseAddress } from '#engines/cidr/address.ts'
import { cidrContains } from '#engines/cidr/prefix.ts'
import type { WantedNetwork } from '#services/neutron/ports.ts'
import { types, type Answer, type Question } from './dns-message.ts'

/**
 * `answers`: the name is one of the network's; none of the asked type may be an empty list. `absent`: it would be
 * one of the network's, and is not. `foreign`: somebody else knows.
 */
export type Finding = { kind: 'answers'; answers: Answer[] } | { kind: 'absent' } | { kind: 'foreign' }

/** The domain in which every network's ports have their names, whatever the network's own is. */
export const commonDomain = 'openstacklocal'

type Entry = WantedNetwork['names'][number]

export class Zone {
  readonly #domains: string[]
  readonly #cidrs: string[]
  readonly #names = new Map<string, Entry[]>()
  readonly #byAddress = new Map<string, string>()
  /** Turns of names with several addresses, so that the first of them is each in turn. */
  readonly #turns = new Map<string, number>()

  constructor(network: Pick<WantedNetwork, 'names' | 'subnets' | 'dnsDomain'>) {
    const own = network.dnsDomain?.toLowerCase()
    this.#domains = [...new Set([...(own ? [own] : []), commonDomain])]
    this.#cidrs = network.subnets.map(({ cidr }) => cidr)
    for (const entry of network.names) {
      const name = this.#bare(entry.name)
      this.#names.set(name, [...(this.#names.get(name) ?? []), entry])
      if (entry.askers === undefined && !entry.isAlias)
        for (const address of entry.addresses) this.#byAddress.set(address, name)
    }
  }

  /** `asker` is the address that the question came from: links are names of one asker only. */
  find({ name, type }: Question, asker: string): Finding {
    const reverse = addressOfReverse(name)
    if (reverse !== undefined) return this.#findReverse(reverse, type)
    const bare = this.#bare(name)
    const addresses = this.#addressesOf(bare, asker)
    if (addresses !== undefined) return { kind: 'answers', answers: this.#inTurn(bare, answersOf(addresses, type)) }
    if (bare === '') return name === '' ? { kind: 'foreign' } : { kind: 'answers', answers: [] }
    return bare === name && name.includes('.') ? { kind: 'foreign' } : { kind: 'absent' }
  }

  #findReverse(address: string, type: number): Finding {
    const name = this.#byAddress.get(address)
    if (name !== undefined) {
      const answer = { type: types.ptr, data: `${name}.${this.#domains[0]}` }
      return { kind: 'answers', answers: type === types.ptr || type === types.any ? [answer] : [] }
    }
    const isOurs = this.#cidrs.some((cidr) => cidrContains(cidr, address)) || cidrContains('169.254.0.0/16', address)
    return { kind: isOurs ? 'absent' : 'foreign' }
  }

  /** Without one of the domains, when it has one. */
  #bare(name: string): string {
    const plain = name.toLowerCase().replace(/\.$/, '')
    for (const domain of this.#domains) {
      if (plain === domain) return ''
      if (plain.endsWith(`.${domain}`)) return plain.slice(0, -domain.length - 1)
    }
    return plain
  }

  /** An asker's own link goes before what the name means to everybody. */
  #addressesOf(bare: string, asker: string): string[] | undefined {
    const entries = this.#names.get(bare) ?? []
    const links = entries.filter(({ askers }) => askers?.includes(asker))
    const found = links.length > 0 ? links : entries.filter(({ askers }) => askers === undefined)
    if (found.length > 0) return [...new Set(found.flatMap(({ addresses }) => addresses))]
    const spelled = spelledAddress(bare)
    return spelled !== undefined && this.#byAddress.has(spelled) ? [spelled] : undefined
  }

  #inTurn(name: string, answers: Answer[]): Answer[] {
    if (answers.length < 2) return answers
    const turn = (this.#turns.get(name) ?? 0) % answers.length
    this.#turns.set(name, turn + 1)
    return [...answers.slice(turn), ...answers.slice(0, turn)]
  }
}

const typeOf = (address: string): number => (address.includes(':') ? types.aaaa : types.a)

const answersOf = (addresses: string[], type: number): Answer[] =>
  addresses
    .filter((address) => type === types.any || typeOf(address) === type)
    .map((address) => ({ type: typeOf(address), data: address }))

/** `host-10-0-0-5` names the port with that address, as Neutron's `dns_assignment` has it. */
function spelledAddress(name: string): string | undefined {
  const digits = /^host-([0-9a-f-]+)$/.exec(name)?.[1]
  return digits && (canonicalAddress(digits.replaceAll('-', '.')) ?? canonicalAddress(digits.replaceAll('-', ':')))
}

/** `5.0.0.10.in-addr.arpa` → `10.0.0.5`; undefined when the name is no address. */
function addressOfReverse(name: string): string | undefined {
  const four = /^(\d+\.\d+\.\d+\.\d+)\.in-addr\.arpa$/.exec(name)?.[1]
  if (four !== undefined) return canonicalAddress(four.split('.').reverse().join('.'))
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1]
  if (six === undefined) return undefined
  const digits = six.split('.').reverse().join('')
  const address = parseAddress((digits.match(/.{4}/g) ?? []).join(':'))
  return address && formatAddress(address)
}
