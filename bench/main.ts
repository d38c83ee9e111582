/** `./quaystone bench [NAME…] [--json]`: runs the benchmarks; a table for people, JSON lines for machines. */
import { globSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Bench, Figure } from './bench.ts'

const usage = 'Usage: ./quaystone bench [NAME…] [--json] [--list]'

/** Each bench/*.bench.ts exports one `bench`. */
async function findBenches(): Promise<Bench[]> {
  const files = globSync('*.bench.ts', { cwd: import.meta.dirname }).sort()
  const modules = await Promise.all(
    files.map((file) => import(join(import.meta.dirname, file)) as Promise<{ bench: Bench }>),
  )
  return modules.map((module) => module.bench)
}

function choose(all: readonly Bench[], names: readonly string[]): readonly Bench[] {
  if (names.length === 0) return all
  return names.map((name) => {
    const found = all.find((bench) => bench.name === name)
    if (found === undefined)
      throw new Error(`There is no benchmark "${name}"; there are: ${all.map((bench) => bench.name).join(', ')}.`)
    return found
  })
}

const digits = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 })
const shown = (value: number | undefined): string => (value === undefined ? '–' : digits.format(value))

function row(cells: readonly string[]): string {
  const widths = [44, 12, 12, 12, 9, 16]
  return cells
    .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column] ?? 0)))
    .join(' ')
}

function showFigures(figures: readonly Figure[]): void {
  console.log(`\n${row(['figure', 'value', 'baseline', 'unit', 'ratio', 'goal'])}  reached`)
  for (const { bench, metric, unit, value, baseline, ratio, goal, ok } of figures) {
    console.log(
      `${row([`${bench}: ${metric}`, shown(value), shown(baseline), unit, shown(ratio), goal])}  ${ok ? 'yes' : 'NO'}`,
    )
  }
}

/** Where the figures come from, and how busy it was before the first one. */
function machine() {
  return {
    cpu: cpus()[0]?.model ?? process.arch,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    node: process.version,
    load: Number(loadavg()[0]!.toFixed(1)),
  }
}

function machineLine({ cpu, cores, memoryGiB, system, node, load }: ReturnType<typeof machine>): string {
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node}, load ${load}`
}

async function main(): Promise<number> {
  const options = { json: { type: 'boolean' }, list: { type: 'boolean' }, help: { type: 'boolean' } } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const benches = choose(await findBenches(), positionals)
  if (values.list) {
    for (const { name, about } of benches) console.log(`${name.padEnd(20)} ${about}`)
    return 0
  }
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Error('stopped by Ctrl-C')))
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  const here = machine()
  if (values.json) console.log(JSON.stringify({ machine: here }))
  else console.log(machineLine(here))
  const figures: Figure[] = []
  for (const bench of benches) {
    say(`${bench.name}: ${bench.about}`)
    const measured = await bench.run({ say, signal: stop.signal })
    if (values.json) for (const one of measured) console.log(JSON.stringify(one))
    figures.push(...measured)
  }
  if (!values.json) showFigures(figures)
  return figures.every((one) => one.ok) ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`${(error as Error).message}\n${usage}`)
  process.exitCode = 2
}
