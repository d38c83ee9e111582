/** What a generated file is: a path and a function that makes its text from the sources. */

export interface Generated {
  /** From the root of the repository. */
  readonly path: string
  /** The whole text; the same text for the same sources, whatever the machine and the day. */
  make(): string | Promise<string>
}

/** The part of a hand-written file between two marker lines, for drawings and tables inside a page. */
export function replaceBlock(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- generated: ${name} -->`, `<!-- end of ${name} -->`]
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) throw new Error(`The page has no lines "${begin}" and "${end}".`)
  return `${page.slice(0, from + begin.length)}\n${text.trimEnd()}\n${page.slice(to)}`
}
