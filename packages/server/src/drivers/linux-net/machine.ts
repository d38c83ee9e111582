/** Everything on this machine that bears a Quaystone mark, whichever cloud's it is: for finding what dead ones left. */
import { existsSync, readdirSync } from 'node:fs'
import type { Clock } from '#platform/clock/clock.ts'
import { namespaceDir } from './names.ts'
import { removeNamespace } from './namespace.ts'
import { sectionsOf } from './observe.ts'
import { createShell, runSteps, type Shell, type Step } from './shell.ts'

/** `tag` is the owner's part of the mark, see `tagOf`. */
export interface Marked {
  tag: string
  kind: 'netns' | 'link' | 'nft' | 'iptables'
  name: string
}

export interface Machine {
  marked(): Promise<Marked[]>
  /** Removes these things. Idempotent: what is gone already is no failure. */
  remove(things: readonly Marked[]): Promise<void>
}

/** @param hostNamespace path of the namespace that stands for the host's; default: the one of this process. */
export function openMachine(clock: Clock, hostNamespace?: string): Machine {
  const shell = createShell(clock, hostNamespace)
  return {
    marked: async () => [...markedNamespaces(), ...(await markedInHost(shell))],
    remove: async (things) => {
      await runSteps(shell, removal(things))
    },
  }
}

function markedNamespaces(): Marked[] {
  const names = existsSync(namespaceDir) ? readdirSync(namespaceDir) : []
  return names.flatMap((name) => {
    const tag = /^q[nr]t-([0-9a-f]{8})-/.exec(name)?.[1]
    return tag === undefined ? [] : [{ tag, kind: 'netns' as const, name }]
  })
}

async function markedInHost(shell: Shell): Promise<Marked[]> {
  return sectionsOf(await shell.look(reader)).flatMap(([title, text]) => {
    if (title === 'links') return markedLinks(text)
    return title === 'tables' ? markedTables(text) : markedRules(text)
  })
}

function markedLinks(text: string): Marked[] {
  const links = (text.trim() === '' ? [] : JSON.parse(text)) as { ifname?: string; ifalias?: string }[]
  return links.flatMap(({ ifname, ifalias }) => {
    const tag = /^quaystone:([0-9a-f]{8}):/.exec(ifalias ?? '')?.[1]
    return tag === undefined || ifname === undefined ? [] : [{ tag, kind: 'link' as const, name: ifname }]
  })
}

const markedTables = (text: string): Marked[] =>
  [...text.matchAll(/^table (\w+ quaystone_([0-9a-f]{8}))$/gm)].map(([, name = '', tag = '']) => ({
    tag,
    kind: 'nft',
    name,
  }))

const markedRules = (text: string): Marked[] =>
  [...text.replaceAll('"', '').matchAll(/^-A (.* --comment quaystone:([0-9a-f]{8}) .*)$/gm)].map(
    ([, name = '', tag = '']) => ({ tag, kind: 'iptables', name }),
  )

const reader = `
echo "@@ links"; ip -j -d link; echo
echo "@@ tables"; nft list tables 2>/dev/null
echo "@@ rules"; iptables -w -S 2>/dev/null
:
`

/** Namespaces first: their ends of the host's links vanish with them. */
function removal(things: readonly Marked[]): Step[] {
  const about = 'remove what a dead cloud left'
  const lines = things.map(({ kind, name }) => {
    if (kind === 'netns') return removeNamespace(name)
    if (kind === 'link') return `ip link del dev ${name} 2>/dev/null || :`
    return kind === 'nft' ? `nft delete table ${name} 2>/dev/null || :` : `iptables -w -D ${name} 2>/dev/null || :`
  })
  return [{ about, tool: 'sh', lines }]
}
