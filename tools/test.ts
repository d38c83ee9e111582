/** `./quaystone test`: the suite in layers, cheap ones first; the last line is `N passed, N failed, N skipped`. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runGates } from './check.ts'
import { countWritten, findTestFiles, groupByLayer } from './test/find-tests.ts'
import { killMarked, markVariable } from './test/leftovers.ts'
import { needsOf, runningOrder, type Layer } from './test/layers.ts'
import { Needs } from './test/needs.ts'
import { addCounts, noCounts, type Counts } from './test/outcome.ts'
import { runFiles } from './test/run-files.ts'
import { say, type LayerResult } from './test/say.ts'

const usage = `Usage: ./quaystone test [--layer N[,N…]] [--only PATTERN] [--nightly] [--property-runs N]

  --layer N            only these layers: ${runningOrder.map((layer) => `${layer.number} ${layer.name}`).join(', ')}
  --only PATTERN       only test files whose path matches this regular expression; without --layer, no gates
  --nightly            the slow tests too
  --property-runs N    how often each property is tried, in place of 1,000 times; no file has a time limit then`

class UsageError extends Error {}

const isUsageError = (error: unknown): boolean =>
  error instanceof UsageError || String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')

interface Wanted {
  readonly layers: ReadonlySet<number> | undefined
  readonly only: RegExp | undefined
  readonly nightly: boolean
  readonly propertyRuns: string | undefined
}

const propertyRunsVariable = 'QUAYSTONE_PROPERTY_RUNS'
/** A week: ten million runs take days, and whoever asks for them waits. */
const noLimitMs = 7 * 24 * 3_600_000

const root = join(import.meta.dirname, '..')

function readArguments(): Wanted {
  const options = {
    layer: { type: 'string', multiple: true },
    only: { type: 'string' },
    nightly: { type: 'boolean', default: false },
    'property-runs': { type: 'string' },
    help: { type: 'boolean', default: false },
  } as const
  const { values } = parseArgs({ options })
  if (values.help) {
    say.line(usage)
    process.exit(0)
  }
  const layers = values.layer?.flatMap((list) => list.split(',')).map(readLayer)
  return {
    layers: layers && new Set(layers),
    only: values.only === undefined ? undefined : readPattern(values.only),
    nightly: values.nightly || layers?.includes(9) === true,
    propertyRuns: readCount(values['property-runs'] ?? process.env[propertyRunsVariable]),
  }
}

function readCount(text: string | undefined): string | undefined {
  if (text === undefined || /^[1-9]\d*$/.test(text)) return text
  throw new UsageError(`--property-runs: "${text}" is no whole number above 0.`)
}

function readPattern(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch (error) {
    throw new UsageError(`--only: ${(error as Error).message}`)
  }
}

function readLayer(text: string): number {
  const found = runningOrder.find((layer) => String(layer.number) === text || layer.name === text)
  if (found === undefined) throw new UsageError(`There is no layer "${text}".`)
  return found.number
}

/** One run of the suite; everything it starts carries `mark` and is ended by `close`. */
class Suite {
  readonly #wanted: Wanted
  readonly #mark = randomUUID()
  readonly #env: NodeJS.ProcessEnv
  readonly #needs: Needs
  readonly results: LayerResult[] = []
  readonly total: Counts = noCounts()

  constructor(wanted: Wanted) {
    this.#wanted = wanted
    const compileCache = join(root, 'node_modules/.cache/node')
    const own = { NODE_ENV: 'test', [markVariable]: this.#mark, [propertyRunsVariable]: wanted.propertyRuns }
    this.#env = { NODE_COMPILE_CACHE: compileCache, ...process.env, ...own }
    this.#needs = new Needs(this.#env)
  }

  async run(): Promise<void> {
    const groups = groupByLayer(findTestFiles(root, this.#wanted.only))
    for (const layer of runningOrder) {
      if (!this.#includes(layer)) continue
      const files = groups.get(layer) ?? []
      const gates = layer.number === 0 && this.#wanted.only === undefined
      if (files.length > 0 || gates) await this.#runLayer(layer, files, gates)
    }
  }

  async close(): Promise<void> {
    await this.#needs.stop()
    const left = killMarked(this.#mark)
    if (left.length > 0) say.line(`\nended ${left.length} processes that tests had left behind`)
  }

  #includes(layer: Layer): boolean {
    if (layer.nightly && !this.#wanted.nightly) return false
    return this.#wanted.layers?.has(layer.number) ?? true
  }

  async #runLayer(layer: Layer, files: readonly string[], gates: boolean): Promise<void> {
    const startedMs = Date.now()
    say.line(`\nlayer ${layer.number} ${layer.name}: ${files.length} files`)
    const counts = noCounts()
    if (gates) addCounts(counts, await runGates())
    addCounts(counts, await this.#runReady(layer, files))
    this.results.push({ label: `${layer.number} ${layer.name}`, counts, durationMs: Date.now() - startedMs })
    addCounts(this.total, counts)
  }

  async #runReady(layer: Layer, files: readonly string[]): Promise<Counts> {
    const counts = noCounts()
    const env = { ...this.#env }
    for (const need of layer.wants) {
      const ready = await this.#needs.get(need)
      if ('env' in ready) Object.assign(env, ready.env)
      else say.line(`  without ${need}: ${ready.reason}`)
    }
    const runnable: string[] = []
    for (const file of files) {
      const reason = await this.#prepare(file, env)
      if (reason === undefined) runnable.push(file)
      else counts.skipped += skip(file, reason)
    }
    if (runnable.length > 0) {
      const { filesAtOnce } = layer
      addCounts(counts, await runFiles({ root, files: runnable, env, filesAtOnce, ...this.#limitsOf(layer) }))
    }
    return counts
  }

  #limitsOf({ fileTimeoutMs, timeoutMs }: Layer): Pick<Layer, 'fileTimeoutMs' | 'timeoutMs'> {
    return this.#wanted.propertyRuns === undefined
      ? { fileTimeoutMs, timeoutMs }
      : { fileTimeoutMs: noLimitMs, timeoutMs: noLimitMs }
  }

  /** Adds what the file needs to `env`; the first reason why it cannot run, or undefined. */
  async #prepare(file: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
    for (const need of needsOf(file)) {
      const ready = await this.#needs.get(need)
      if ('reason' in ready) return ready.reason
      Object.assign(env, ready.env)
    }
    return undefined
  }
}

function skip(file: string, reason: string): number {
  const count = countWritten(root, file)
  say.line(`  skipped ${file}: ${count} tests (${reason})`)
  return count
}

async function main(): Promise<number> {
  const suite = new Suite(readArguments())
  let interrupted = false
  const interrupt = async (): Promise<void> => {
    if (interrupted) return
    interrupted = true
    await suite.close()
    say.summary(suite.results, suite.total)
    process.exit(130)
  }
  process.on('SIGINT', () => void interrupt())
  process.on('SIGTERM', () => void interrupt())
  try {
    await suite.run()
  } finally {
    if (!interrupted) await suite.close()
  }
  if (suite.total.passed + suite.total.failed === 0)
    say.line('\nNo test ran: nothing matches --layer and --only, or all were skipped.')
  say.summary(suite.results, suite.total)
  return suite.total.failed > 0 || suite.total.passed === 0 ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!isUsageError(error)) throw error
  say.line(`${(error as Error).message}\n\n${usage}`)
  process.exitCode = 2
}
