/** What a path of the metadata service leads to: a text, a document, or a list of what is below. */
import type { MetadataReply } from '../ports.ts'

/** A leaf, or a folder. A folder with `_name` is listed by that name, as public keys are. */
export type Tree = string | Buffer | string[] | { [name: string]: Tree }

export const textType = 'text/plain; charset=UTF-8'
export const jsonType = 'application/json'

export const reply = (status: number, body: string | Buffer, contentType = textType): MetadataReply => ({
  status,
  contentType,
  body: Buffer.from(body as string).toString('base64'),
})

export const absent = (): MetadataReply => reply(404, 'The resource could not be found.\n')

export const json = (value: unknown): MetadataReply => reply(200, JSON.stringify(value), jsonType)

/** `/a//b/../c/` → `['a', 'c']`, without the query. */
export const segmentsOf = (path: string): string[] => {
  const segments: string[] = []
  for (const segment of (path.split(/[?#]/, 1)[0] ?? '').split('/')) {
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(segment)
  }
  return segments
}

/** Undefined: there is no such path. */
export const walk = (tree: Tree, segments: string[]): Tree | undefined => {
  let here: Tree | undefined = tree
  for (const segment of segments) {
    if (!isFolder(here) || segment === '_name' || !Object.hasOwn(here, segment)) return undefined
    here = here[segment]
  }
  return here
}

const isFolder = (tree: Tree | undefined): tree is { [name: string]: Tree } =>
  typeof tree === 'object' && !Array.isArray(tree) && !Buffer.isBuffer(tree)

/** Lists have a line for each; names of folders end in a slash, unless they have a name of their own. */
export const page = (tree: Tree): string | Buffer => {
  if (typeof tree === 'string' || Buffer.isBuffer(tree)) return tree
  if (Array.isArray(tree)) return tree.join('\n')
  return Object.keys(tree)
    .filter((name) => name !== '_name')
    .sort()
    .map((name) => lineOf(name, tree[name]!))
    .join('\n')
}

const lineOf = (name: string, below: Tree): string => {
  if (!isFolder(below)) return name
  return typeof below._name === 'string' ? below._name : `${name}/`
}
