/** What the host's own namespace needs for external networks: masquerading, and a way past a dropping FORWARD. */
import { addChain, emptyFilter, type Filter } from './filter-model.ts'
import type { Leg } from './host-plan.ts'
import { anyHostLeg, type Names } from './names.ts'

/**
 * Our own table: Docker's and the administrator's stay as they are. Only what leaves the machine is masqueraded: a
 * packet of one tenant that took the host's own address would be let into another's network.
 */
export function hostFilter(external: Leg[]): Filter {
  const filter = emptyFilter()
  const masked = external.filter((leg) => leg.network.masquerade)
  if (masked.length === 0) return filter
  const rules = masked.flatMap((leg) =>
    leg.cidrs.map((cidr) => `${cidr.includes(':') ? 'ip6' : 'ip'} saddr ${cidr} oifname != ${anyHostLeg} masquerade`),
  )
  addChain(filter, {
    family: 'inet',
    name: 'postrouting',
    hook: 'type nat hook postrouting priority 100; policy accept;',
    rules,
  })
  return filter
}

/**
 * Docker sets the policy of FORWARD to DROP, and a table of our own cannot overrule another table's drop. So each
 * external leg gets an accept rule that bears our mark, in DOCKER-USER when there is one, which Docker keeps.
 */
export function forwardLines(names: Names, found: string[], external: Leg[], reap: boolean): string[] {
  const chain = found.some((line) => line === '-N DOCKER-USER') ? 'DOCKER-USER' : 'FORWARD'
  const drops = chain === 'DOCKER-USER' || found.includes('-P FORWARD DROP')
  const wanted = drops
    ? external.flatMap((leg) =>
        ['-i', '-o'].map((way) => `${chain} ${way} ${leg.device} -m comment --comment ${names.comment} -j ACCEPT`),
      )
    : []
  const ours = found
    .filter((line) => line.startsWith('-A ') && line.includes(` --comment ${names.comment} `))
    .map((line) => line.slice('-A '.length))
  return [
    ...(reap ? ours.filter((rule) => !wanted.includes(rule)).map((rule) => `iptables -w -D ${rule}`) : []),
    ...wanted.filter((rule) => !ours.includes(rule)).map((rule) => `iptables -w -I ${rule}`),
  ]
}
