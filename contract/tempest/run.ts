/** Runs tempest, as Debian packages it, against a cloud: in one process group, with the results as values. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { runProgram } from '../support/run-program.ts'
import { readFacts } from './cloud-facts.ts'
import { tempestConfiguration } from './configuration.ts'

export interface TestResult {
  /** Without tempest's attributes in brackets. */
  readonly name: string
  readonly status: 'success' | 'fail' | 'skip' | string
  /** Traceback, or why tempest skipped it. */
  readonly detail: string
}

const usualConcurrency = 2
const runTimeoutMs = 40 * 60_000
/** Of one class: the set-up failed, and none of its tests ran. */
const setUpFailure = /^(?:setUpClass|tearDownClass) \((.+)\)$/

export class Tempest {
  readonly #directory: string
  readonly #env: NodeJS.ProcessEnv

  private constructor(directory: string) {
    this.#directory = directory
    this.#env = { PATH: '/usr/bin:/bin', HOME: directory, LANG: 'C.UTF-8', no_proxy: '*' }
  }

  /** Makes a workspace in `directory` for the cloud that `cloudsFile` describes. */
  static async make(
    directory: string,
    cloudsFile: string,
    { looksInside = false }: { looksInside?: boolean } = {},
  ): Promise<Tempest> {
    mkdirSync(directory, { recursive: true })
    const tempest = new Tempest(directory)
    const workspace = tempest.#workspace
    if (!existsSync(workspace)) await tempest.#run('init', workspace)
    const lockPath = join(workspace, 'tempest_lock')
    const configuration = tempestConfiguration(await readFacts(cloudsFile), { lockPath, looksInside })
    writeFileSync(join(workspace, 'etc/tempest.conf'), configuration, { mode: 0o600 })
    return tempest
  }

  get #workspace(): string {
    return join(this.#directory, 'workspace')
  }

  /** Every test that this tempest has and `pattern` matches: name without attributes → full id. */
  async list(pattern = 'tempest'): Promise<Map<string, string>> {
    const lines = (await this.#run('run', '--list-tests', '--regex', pattern)).split('\n')
    const ids = lines.filter((line) => /^[a-z_]+\..*\./.test(line))
    return new Map(ids.map((id) => [plainName(id), id]))
  }

  /** Runs exactly these tests; one result each, or of the class whose set-up failed. */
  async run(ids: readonly string[], concurrency = usualConcurrency): Promise<TestResult[]> {
    const list = join(this.#directory, 'load-list')
    writeFileSync(list, `${ids.join('\n')}\n`)
    const options = { cwd: this.#workspace, env: this.#env, timeout: runTimeoutMs } as const
    const args = ['run', '--load-list', list, '--concurrency', String(concurrency), '--subunit']
    const tempest = spawn('/usr/bin/tempest', args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    const reader = spawn('/usr/bin/python3', [join(import.meta.dirname, 'results.py')], {
      ...options,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    tempest.stdout.pipe(reader.stdin)
    const [lines, stderr] = await Promise.all([text(reader.stdout), text(tempest.stderr), once(reader, 'close')])
    const results = lines
      .split('\n')
      .filter((line) => line !== '')
      .map(parseResult)
    if (results.length === 0) throw new Error(`tempest gave no result: ${stderr}`)
    return results
  }

  #run(...args: string[]): Promise<string> {
    const cwd = existsSync(this.#workspace) ? this.#workspace : this.#directory
    return runProgram({ command: '/usr/bin/tempest', args, env: this.#env, cwd })
  }
}

const plainName = (id: string): string => id.replace(/\[.*\]$/, '')

function parseResult(line: string): TestResult {
  const { id, status, detail } = JSON.parse(line) as { id: string; status: string; detail: string }
  return { name: plainName(id), status, detail }
}

/** What became of one test: its own result, or the failure of its class's set-up. */
export function resultOf(results: readonly TestResult[], name: string): TestResult {
  const own = results.find((result) => result.name === name)
  if (own !== undefined) return own
  const ofClass = results.find((result) => {
    const className = setUpFailure.exec(result.name)?.[1]
    return className !== undefined && name.startsWith(`${className}.`)
  })
  return ofClass ?? { name, status: 'missing', detail: 'tempest gave no result for it' }
}
