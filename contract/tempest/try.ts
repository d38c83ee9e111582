/** For people who make tempest pass: `node contract/tempest/try.ts REGEX [--clouds FILE] [--grow SERVICE]`. */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Cloud } from '../support/cloud.ts'
import { readPass } from './lists.ts'
import { limitsConfiguration, registerImageLimits } from './image-limits.ts'
import { addSecondImage } from './second-image.ts'
import { Tempest, type TestResult } from './run.ts'

const usage = `Usage: node contract/tempest/try.ts REGEX [OPTIONS]
  --clouds FILE    use the running cloud of this clouds.yaml; otherwise one is started for the run
  --grow SERVICE   add what passes and is on no list yet to contract/tempest/SERVICE.pass
  --full           the whole tracebacks, not their last lines
  --inside         tempest goes into servers over ssh (run_validation), as the scenarios need
  --at-once N      this many classes at once; default 2`

const lastLines = 3

function show({ name, status, detail }: TestResult, full: boolean): void {
  const words = detail
    .trim()
    .split('\n')
    .filter((line) => line.trim() !== '')
  const shown = status === 'success' ? [] : full ? words : words.slice(-lastLines)
  console.log([`${status.padEnd(8)} ${name}`, ...shown.map((line) => `           ${line}`)].join('\n'))
}

function grow(service: string, results: readonly TestResult[]): void {
  const listed = new Set(readPass(service))
  const fresh = results
    .filter(({ name, status }) => status === 'success' && !listed.has(name))
    .map(({ name }) => name)
    .sort()
  appendFileSync(join(import.meta.dirname, `${service}.pass`), fresh.map((name) => `${name}\n`).join(''))
  console.log(`\n${fresh.length} tests added to ${service}.pass`)
}

async function main(): Promise<void> {
  const options = {
    clouds: { type: 'string' },
    grow: { type: 'string' },
    full: { type: 'boolean', default: false },
    inside: { type: 'boolean', default: false },
    'at-once': { type: 'string', default: '2' },
  } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const [pattern] = positionals
  if (pattern === undefined) throw new Error(usage)
  const directory = mkdtempSync(join(tmpdir(), 'quaystone-tempest-'))
  const cloud = values.clouds === undefined ? await Cloud.start(limitsConfiguration) : undefined
  try {
    if (cloud !== undefined) {
      await addSecondImage(cloud)
      await registerImageLimits(cloud)
    }
    const cloudsFile = values.clouds ?? join(cloud!.dataDir, 'clouds.yaml')
    const tempest = await Tempest.make(directory, cloudsFile, { looksInside: values.inside })
    const ids = [...(await tempest.list(pattern)).values()]
    const results = await tempest.run(ids, Number(values['at-once']))
    for (const result of results) show(result, values.full)
    const counts = Map.groupBy(results, ({ status }) => status)
    console.log(`\n${[...counts].map(([status, group]) => `${group.length} ${status}`).join(', ')}`)
    if (values.grow !== undefined) grow(values.grow, results)
  } finally {
    await cloud?.destroy()
    rmSync(directory, { recursive: true, force: true })
  }
}

await main()
