/** Reads what is in our namespaces: devices, filters, routes, switches. One `sh` for all of them. */
import { existsSync, readdirSync } from 'node:fs'
import { canonicalAddress } from '#engines/cidr/address.ts'
import { foundFilter } from './filter-found.ts'
import { foundLinks } from './found-links.ts'
import { digest, namespaceDir, namespacePath, vxlanDevice, type Names } from './names.ts'
import { nothingFound, switchReader, type FoundNamespace, type FoundRoute } from './namespace.ts'
import type { Shell } from './shell.ts'

/** What a bridge says of itself that changes all the time. */
const pulse = /"(?:gc_timer|fdb_n_learned)":[\d.]+/g

/** Namespaces as they were last seen: one that looks the same is the same object, and is not read again. */
export class Sights {
  #last = new Map<string, { print: string; found: FoundNamespace }>()

  /** By name: every namespace that bears our tag. */
  async all(shell: Shell, names: Names): Promise<Map<string, FoundNamespace>> {
    const all = ourNamespaces(names)
    const portions = Array.from({ length: looksAtATime }, (_, at) =>
      all.filter((_, index) => index % looksAtATime === at),
    )
    const texts = await Promise.all(portions.map((some) => readTexts(shell, some)))
    this.#last = new Map(
      texts.flatMap((some) => [...some]).map(([name, text]) => [name, this.#see(name, text, names)]),
    )
    return new Map([...this.#last].map(([name, { found }]) => [name, found]))
  }

  #see(name: string, text: string, names: Names): { print: string; found: FoundNamespace } {
    const print = digest(text.replace(pulse, ''), 40)
    const last = this.#last.get(name)
    return last?.print === print ? last : { print, found: readNamespace(text, names) }
  }
}

/** One namespace, or undefined: there is none of this name. The answer is the caller's own, to change as it likes. */
export async function observeNamespace(
  shell: Shell,
  names: Names,
  name: string,
): Promise<FoundNamespace | undefined> {
  const text = (await readTexts(shell, [name])).get(name)
  return text === undefined ? undefined : readNamespace(text, names)
}

const namespaceMark = '@@ namespace '

/** The tools mostly start and end: two cores are busy with two of them. */
const looksAtATime = 2

function ourNamespaces(names: Names): string[] {
  const prefixes = [names.networkNamespacePrefix, names.routerNamespacePrefix]
  const isOurs = (name: string): boolean => prefixes.some((prefix) => name.startsWith(prefix))
  return existsSync(namespaceDir) ? readdirSync(namespaceDir).filter(isOurs) : []
}

/** What is found in each namespace, as text: by name. */
async function readTexts(shell: Shell, namespaces: string[]): Promise<Map<string, string>> {
  if (namespaces.length === 0) return new Map()
  const output = await shell.look(readerOf(namespaces.map(namespacePath).join(' ')))
  const parts = output.split(namespaceMark).slice(1)
  return new Map(
    parts.map((part) => {
      const end = part.indexOf('\n')
      return [part.slice(0, end).split('/').at(-1) ?? '', part.slice(end + 1)]
    }),
  )
}

function readNamespace(text: string, names: Names): FoundNamespace {
  const namespace = { ...nothingFound(), broken: true }
  for (const [kind, section] of sectionsOf(text))
    if (section.trim() !== '') readSection(namespace, kind, section, names)
  return namespace
}

function readSection(namespace: FoundNamespace, kind: string, text: string, names: Names): void {
  if (kind === 'links') {
    namespace.links = foundLinks(JSON.parse(text))
    namespace.broken = false
  }
  if (kind === 'filter') namespace.filter = foundFilter(JSON.parse(text), names.table)
  if (kind === 'routes') namespace.routes.push(...readRoutes(text))
  if (kind === 'switches') namespace.switches = text
  if (kind === 'remotes') namespace.remotes = readRemotes(text)
}

/** A namespace that vanishes while we look is one that is not there. */
const readerOf = (paths: string): string => `
for path in ${paths}; do
  [ -e "$path" ] || continue
  echo "${namespaceMark}$path"
  nsenter --net="$path" sh -s "$path" <<'INSIDE' 2>/dev/null || :
echo "@@ links"; ip -j -d addr
echo; echo "@@ filter"; nft -j list ruleset
echo; echo "@@ switches"; ${switchReader}
if [ -e /proc/sys/net/ipv4/conf/${vxlanDevice} ]
then echo "@@ remotes"; bridge -j fdb show dev ${vxlanDevice}; echo; fi
case "$1" in */qrt-*) echo "@@ routes"; ip -j route; echo; echo "@@ routes"; ip -j -6 route;; esac
INSIDE
done
`

/** Splits output at lines that begin with `@@ `. */
export function sectionsOf(output: string): [title: string, text: string][] {
  return output
    .split(/^@@ /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf('\n')
      return end < 0 ? [part, ''] : [part.slice(0, end), part.slice(end + 1)]
    })
}

interface RawRemote {
  mac?: string
  dst?: string
}

function readRemotes(text: string): string[] {
  return (JSON.parse(text) as RawRemote[])
    .filter((entry) => entry.dst !== undefined)
    .map((entry) => `${entry.mac} ${canonicalAddress(entry.dst ?? '') ?? entry.dst}`)
}

interface RawRoute {
  dst?: string
  dev?: string
  gateway?: string
  protocol?: string
}

/** `ip -j route`. The link-local ones are the kernel's own business. */
export function readRoutes(text: string): FoundRoute[] {
  const raw = (text.trim() === '' ? [] : JSON.parse(text)) as RawRoute[]
  return raw
    .filter((route) => route.dst !== undefined && !route.dst.startsWith('fe80:'))
    .map((route) => ({
      destination: route.dst ?? '',
      device: route.dev ?? '',
      protocol: route.protocol ?? '',
      gateway: canonicalAddress(route.gateway ?? '') ?? '',
    }))
}
