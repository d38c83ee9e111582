/** Reads what is in our namespaces: devices, filters, routes, switches. One `sh` for all of them. */
import { canonicalAddress } from '#engines/cidr/address.ts'
import { foundFilter } from './filter-found.ts'
import { foundLinks } from './found-links.ts'
import { namespacePath, vxlanDevice, type Names } from './names.ts'
import { nothingFound, switchReader, type FoundNamespace, type FoundRoute } from './namespace.ts'
import type { Shell } from './shell.ts'

/** By name. @param only names of namespaces to look into; undefined: every one that bears our tag. */
export async function observeNamespaces(
  shell: Shell,
  names: Names,
  only?: string[],
): Promise<Map<string, FoundNamespace>> {
  const prefixes = [names.networkNamespacePrefix, names.routerNamespacePrefix]
  const paths = only?.map(namespacePath) ?? prefixes.map((prefix) => `${namespacePath(prefix)}*`)
  const found = new Map<string, FoundNamespace>()
  for (const [title, text] of sectionsOf(await shell.look(readerOf(paths.join(' '))))) {
    const [kind = '', path = ''] = title.split(' ')
    const name = path.split('/').at(-1) ?? ''
    if (kind === 'namespace') found.set(name, { ...nothingFound(), broken: true })
    const namespace = found.get(name)
    if (namespace && text.trim() !== '') readSection(namespace, kind, text, names)
  }
  return found
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
  echo "@@ namespace $path"
  nsenter --net="$path" sh -s "$path" <<'INSIDE' 2>/dev/null || :
echo "@@ links $1"; ip -j -d addr
echo; echo "@@ filter $1"; nft -j list ruleset
echo; echo "@@ switches $1"; ${switchReader}
if [ -e /proc/sys/net/ipv4/conf/${vxlanDevice} ]
then echo "@@ remotes $1"; bridge -j fdb show dev ${vxlanDevice}; echo; fi
case "$1" in */qrt-*) echo "@@ routes $1"; ip -j route; echo; echo "@@ routes $1"; ip -j -6 route;; esac
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
