/** Finds the test files of the repository and sorts them into layers. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { layerOf, type Layer } from './layers.ts'

const patterns = [
  'packages/*/src/**/*.test.ts',
  'tools/**/*.test.ts',
  'contract/**/*.contract.ts',
  'contract/**/*.test.ts',
]

/** Paths from the root of the repository, in a fixed order. */
export function findTestFiles(root: string, only: RegExp | undefined): string[] {
  const found = globSync(patterns, { cwd: root, exclude: (path) => /node_modules|tools\/fixtures/.test(path) })
  return found.filter((path) => only === undefined || only.test(path)).sort()
}

export function groupByLayer(paths: readonly string[]): Map<Layer, string[]> {
  const groups = new Map<Layer, string[]>()
  for (const path of paths) {
    const layer = layerOf(path)
    if (layer === undefined)
      throw new Error(`${path} belongs to no layer; name it as docs/style.md says, or extend tools/test/layers.ts.`)
    groups.set(layer, [...(groups.get(layer) ?? []), path])
  }
  return groups
}

/** How many tests a file that cannot run here would have had: its calls of test( and it(, never less than one. */
export function countWritten(root: string, path: string): number {
  const source = readFileSync(join(root, path), 'utf8')
  return Math.max(1, source.match(/^\s*(?:await )?(?:t\.)?(?:test|it)\(/gm)?.length ?? 0)
}
