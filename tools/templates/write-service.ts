/** Writes a service's folder from tools/templates/service; refuses to write over one that is there. */
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface NewService {
  /** Kebab-case: the folder, the catalog type, the prefix. */
  readonly name: string
  readonly level: number
  /** The folder to make. */
  readonly into: string
}

const template = join(import.meta.dirname, 'service')

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1)

/** The template's words and what becomes of them. */
function wordsFor({ name, level }: NewService): Readonly<Record<string, string>> {
  const parts = name.split('-')
  const pascal = parts.map(capital).join('')
  return {
    'export const __service__ ': `export const ${pascal.charAt(0).toLowerCase()}${pascal.slice(1)} `,
    __Service__: pascal,
    __service__: name,
    __table__: name.replaceAll('-', '_'),
    __level__: String(level),
  }
}

export function writeService(service: NewService): string[] {
  if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(service.name)) throw new Error(`"${service.name}" is not kebab-case.`)
  if (existsSync(service.into)) throw new Error(`${service.into} exists; remove it or choose another name.`)
  const words = Object.entries(wordsFor(service))
  const sources = globSync('**/*', { cwd: template }).filter((path) => statSync(join(template, path)).isFile())
  return sources.sort().map((source) => {
    const target = join(service.into, source.replace(/\.txt$/, ''))
    const text = readFileSync(join(template, source), 'utf8')
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(
      target,
      words.reduce((changed, [word, becomes]) => changed.replaceAll(word, becomes), text),
    )
    return target
  })
}
