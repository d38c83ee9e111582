/** Reads what is on the host: our namespaces with their devices and filters. One `sh` for all of them. */
import { foundLinks, type FoundLinks } from './found-links.ts'
import { namespacePath, type Names } from './names.ts'
import { areSwitchesOn, readFilter, switchReader, type FoundNetwork } from './network-plan.ts'
import type { Shell } from './shell.ts'

/** The host as it is, as far as it is ours. */
export interface FoundHost {
  /** By namespace name. */
  networks: Map<string, FoundNetwork>
  /** Every namespace name that bears our tag. */
  namespaces: string[]
  /** The host's own devices that bear our mark. */
  links: FoundLinks
}

/** @param only names of namespaces to look into; undefined: all of ours. */
export async function observeNetworks(shell: Shell, names: Names, only?: string[]): Promise<Map<string, FoundNetwork>> {
  const wantedNames = only?.map(namespacePath).join(' ') ?? `${namespacePath(names.networkNamespacePrefix)}*`
  const sections = sectionsOf(await shell.run(readerOf(wantedNames)))
  const found = new Map<string, FoundNetwork>()
  for (const [title, text] of sections) {
    const [kind, path = ''] = title.split(' ')
    const name = path.split('/').at(-1) ?? ''
    if (kind === 'namespace') found.set(name, { broken: true, switchesOn: false, links: new Map(), filter: readFilter({}, names) })
    const network = found.get(name)
    if (!network || text.trim() === '') continue
    if (kind === 'links') { network.links = foundLinks(JSON.parse(text)); network.broken = false }
    if (kind === 'filter') network.filter = readFilter(JSON.parse(text), names)
    if (kind === 'switches') network.switchesOn = areSwitchesOn(text)
  }
  return found
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
INSIDE
done
`

/** Splits output at lines that begin with `@@ `. */
export function sectionsOf(output: string): [title: string, text: string][] {
  return output.split(/^@@ /m).slice(1).map((part) => {
    const end = part.indexOf('\n')
    return end < 0 ? [part, ''] : [part.slice(0, end), part.slice(end + 1)]
  })
}
