/** The TypeScript files that people write, with their lines; generated and fixture files are left out. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface SourceFile {
  /** From the root of the repository. */
  readonly path: string
  readonly lines: readonly string[]
}

const patterns = ['packages/*/src/**/*.{ts,tsx}', 'tools/**/*.ts', 'contract/**/*.ts', 'bench/**/*.ts']
const left = /node_modules|tools\/fixtures|tools\/templates\/service|packages\/client\//

export function readSources(root: string): SourceFile[] {
  const paths = globSync(patterns, { cwd: root, exclude: (path) => left.test(path) }).sort()
  return paths.map((path) => ({ path, lines: readFileSync(join(root, path), 'utf8').split('\n') }))
}
