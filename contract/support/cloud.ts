/** A whole Quaystone of a test's own: started as a person starts it, on a free port and a new data directory. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from './eventually.ts'
import { leftoversOf, sweep } from './host-leftovers.ts'
import { runProgram } from './run-program.ts'

export type Person = 'quaystone' | 'quaystone-admin'

export interface Account {
  readonly username: string
  readonly password: string
  readonly project: string
}

const root = join(import.meta.dirname, '../..')
const startTimeoutMs = 120_000
const stopTimeoutMs = 30_000
const logTailChars = 4_000

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  return port
}

export class Cloud {
  readonly directory = mkdtempSync(join(tmpdir(), 'quaystone-contract-'))
  readonly dataDir = join(this.directory, 'data')
  readonly #log = join(this.directory, 'quaystone.log')
  readonly #port: number
  #process: ChildProcess | undefined

  private constructor(port: number) {
    this.#port = port
  }

  /** `configuration`: what its `quaystone.yaml` says. */
  static async start(configuration?: string): Promise<Cloud> {
    const cloud = new Cloud(await freePort())
    try {
      if (configuration !== undefined) {
        mkdirSync(cloud.dataDir, { mode: 0o700 })
        writeFileSync(join(cloud.dataDir, 'quaystone.yaml'), configuration)
      }
      await cloud.up()
      return cloud
    } catch (error) {
      await cloud.destroy()
      throw error
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Starts, also again after `stop` or `kill`, on the same data; resolves when the first image can be booted. */
  async up(): Promise<void> {
    mkdirSync(this.directory, { recursive: true })
    const log = openSync(this.#log, 'a')
    const args = ['up', '--listen', '127.0.0.1', '--port', String(this.#port), '--data-dir', this.dataDir]
    this.#process = spawn(join(root, 'quaystone'), args, {
      cwd: this.directory,
      detached: true,
      stdio: ['ignore', log, log],
    })
    try {
      await eventually({ timeoutMs: startTimeoutMs }, () => this.#assertServing())
    } catch (error) {
      throw new Error(`Quaystone did not start: ${(error as Error).message}\n${this.logTail()}`, { cause: error })
    }
  }

  /** Ctrl-C; rejects when the process does not end in time. */
  async stop(): Promise<void> {
    const running = this.#process
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const ended = once(running, 'exit')
    running.kill('SIGINT')
    const late = sleep(stopTimeoutMs, 'late', { ref: false })
    if ((await Promise.race([ended, late])) === 'late') {
      await this.kill()
      throw new Error(`Quaystone did not end in ${stopTimeoutMs / 1000} s after Ctrl-C.\n${this.logTail()}`)
    }
  }

  /** `kill -9`, as a power cut would. */
  async kill(): Promise<void> {
    const running = this.#process
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const ended = once(running, 'exit')
    running.kill('SIGKILL')
    await ended
  }

  /** Ends the process and removes all that it made on this host. */
  async destroy(): Promise<void> {
    try {
      await this.stop()
    } finally {
      const cloudId = this.#cloudId()
      if (cloudId !== undefined) sweep(cloudId)
      rmSync(this.directory, { recursive: true, force: true })
    }
  }

  /** Names of containers, network namespaces and links that this cloud has on the host. */
  async leftovers(): Promise<string[]> {
    const cloudId = this.#cloudId()
    return cloudId === undefined ? [] : leftoversOf(cloudId)
  }

  /** What an official client needs, and nothing of this machine's own settings. */
  env(person: Person): NodeJS.ProcessEnv {
    const clouds = join(this.dataDir, 'clouds.yaml')
    return { ...this.#bareEnv(), OS_CLIENT_CONFIG_FILE: clouds, OS_CLOUD: person }
  }

  /** The same for somebody who is not in clouds.yaml. */
  envOf(account: Account): NodeJS.ProcessEnv {
    return {
      ...this.#bareEnv(),
      OS_AUTH_URL: `${this.url}/identity`,
      OS_IDENTITY_API_VERSION: '3',
      OS_USERNAME: account.username,
      OS_PASSWORD: account.password,
      OS_PROJECT_NAME: account.project,
      OS_USER_DOMAIN_NAME: 'Default',
      OS_PROJECT_DOMAIN_NAME: 'Default',
    }
  }

  #bareEnv(): NodeJS.ProcessEnv {
    return {
      PATH: '/usr/bin:/bin:/usr/sbin:/sbin',
      HOME: this.directory,
      LANG: 'C.UTF-8',
      PYTHONUNBUFFERED: '1',
      no_proxy: '*',
      ...(process.env.DOCKER_HOST === undefined ? {} : { DOCKER_HOST: process.env.DOCKER_HOST }),
    }
  }

  logTail(): string {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').slice(-logTailChars) : ''
  }

  #cloudId(): string | undefined {
    const file = join(this.dataDir, 'identity.json')
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { cloudId: string }).cloudId : undefined
  }

  async #assertServing(): Promise<void> {
    if (this.#process?.exitCode !== null) throw new Error(`the process ended with ${this.#process?.exitCode}`)
    if (!existsSync(join(this.dataDir, 'clouds.yaml'))) throw new Error('clouds.yaml is not written yet')
    const reply = await fetch(`${this.url}/identity/v3`)
    if (reply.status !== 200) throw new Error(`/identity/v3 answers ${reply.status}`)
    await reply.arrayBuffer()
  }
}

/** `openstack … -f json`, parsed. `--wait` prints progress before the table, which is left out. */
export async function openstack<T>(cloud: Cloud, person: Person | Account, ...args: string[]): Promise<T> {
  const text = await openstackText(cloud, person, ...args, '-f', 'json')
  const begin = text.search(/^[[{]/m)
  if (begin < 0) throw new Error(`openstack ${args.join(' ')} printed no JSON: ${text}`)
  return JSON.parse(text.slice(begin)) as T
}

/** `openstack …` as it is: for commands that have no table to format. */
export function openstackText(cloud: Cloud, person: Person | Account, ...args: string[]): Promise<string> {
  const env = typeof person === 'string' ? cloud.env(person) : cloud.envOf(person)
  return runProgram({ command: '/usr/bin/openstack', args, env, cwd: cloud.directory })
}
