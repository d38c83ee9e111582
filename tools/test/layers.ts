/** The layers of the suite as one list: what belongs to each, how long it may take, how many files run at once. */

import { basename } from 'node:path'

/** What a test can need beyond Node; each is made ready once, or the tests that need it are skipped with the reason. */
export type Need = 'postgres' | 'root' | 'docker' | 'clients'

export interface Layer {
  readonly number: number
  readonly name: string
  readonly holds: (path: string) => boolean
  /** Made ready when possible, for tests that do more when it is there: store tests run on both databases. */
  readonly wants: readonly Need[]
  readonly filesAtOnce: number
  readonly fileTimeoutMs: number
  /** Of the whole layer. */
  readonly timeoutMs: number
  readonly nightly: boolean
}

const minuteMs = 60_000
const usual: Omit<Layer, 'number' | 'name' | 'holds'> = {
  wants: ['postgres'],
  filesAtOnce: 2,
  fileTimeoutMs: minuteMs,
  timeoutMs: 5 * minuteMs,
  nightly: false,
}
const named =
  (pattern: RegExp) =>
  (path: string): boolean =>
    pattern.test(path)

/** A file belongs to the first layer that holds it. */
export const layers: readonly Layer[] = [
  { ...usual, number: 0, name: 'shape', holds: named(/^tools\//), wants: [], timeoutMs: 4 * minuteMs },
  {
    ...usual,
    number: 9,
    name: 'nightly',
    holds: named(/\.slow\.(test|contract)\.ts$/),
    nightly: true,
    fileTimeoutMs: 60 * minuteMs,
    timeoutMs: 240 * minuteMs,
  },
  {
    ...usual,
    number: 8,
    name: 'live',
    holds: named(/\.(host|docker)\.test\.ts$/),
    filesAtOnce: 1,
    fileTimeoutMs: 5 * minuteMs,
    timeoutMs: 20 * minuteMs,
  },
  {
    ...usual,
    number: 6,
    name: 'contract',
    holds: named(/\.contract\.ts$/),
    filesAtOnce: 1,
    fileTimeoutMs: 45 * minuteMs,
    timeoutMs: 60 * minuteMs,
  },
  { ...usual, number: 2, name: 'store', holds: named(/\.pg\.test\.ts$|\/(store|db)\//) },
  { ...usual, number: 3, name: 'door', holds: named(/\/(api|http|auth|api-kit)\/|\.http\.test\.ts$/) },
  { ...usual, number: 4, name: 'loops', holds: named(/\/controllers\//) },
  { ...usual, number: 5, name: 'cloud', holds: named(/\/src\/(app|cli)\//) },
  { ...usual, number: 1, name: 'thinking', holds: named(/^(packages|contract)\//) },
]

const needsByWord: Readonly<Record<string, readonly Need[]>> = {
  pg: ['postgres'],
  host: ['root'],
  docker: ['root', 'docker'],
  contract: ['root', 'docker', 'clients'],
}

/** What this file cannot run without, read from the words of its name: `attach.host.test.ts` needs root. */
export function needsOf(path: string): readonly Need[] {
  const words = basename(path).split('.')
  return [...new Set(words.flatMap((word) => needsByWord[word] ?? []))]
}

export const layerOf = (path: string): Layer | undefined => layers.find((layer) => layer.holds(path))

/** Cheap layers first: a mistake shows in seconds. */
export const runningOrder: readonly Layer[] = [0, 1, 2, 3, 4, 5, 8, 6, 9].map((number) =>
  layers.find((one) => one.number === number)!,
)
