/** One cloud of many processes on this machine: PostgreSQL, NATS, two of each role, and an agent as its host. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findPostgresBin, startPrivatePostgres, type PrivatePostgres } from '../../tools/test/private-postgres.ts'
import { freePort } from './cloud.ts'
import { eventually } from './eventually.ts'
import { sweep } from './host-leftovers.ts'
import { runProgram } from './run-program.ts'

const program = join(import.meta.dirname, '../../quaystone')
const startMsMax = 180_000
const logTailChars = 4_000

/** One `serve` process, with a data directory of its own. */
export interface Part {
  readonly name: string
  readonly role: 'api' | 'controllers'
  readonly dataDir: string
  readonly url: string
  process?: ChildProcess
}

export class ProcessesLab {
  readonly directory = mkdtempSync(join(tmpdir(), 'quaystone-processes-'))
  readonly parts: Part[] = []
  #postgres: PrivatePostgres | undefined
  #nats: ChildProcess | undefined
  #natsUrl = ''
  #agent: ChildProcess | undefined

  static async create(): Promise<ProcessesLab> {
    const lab = new ProcessesLab()
    try {
      await lab.#startStores()
      await lab.#addPart('api-1', 'api')
      await Promise.all([
        lab.#addPart('api-2', 'api'),
        lab.#addPart('loops-1', 'controllers'),
        lab.#addPart('loops-2', 'controllers'),
      ])
      await lab.#startAgent()
      return lab
    } catch (error) {
      process.stderr.write(`${lab.logs()}\n`)
      await lab.destroy()
      throw error
    }
  }

  /** The APIs, in the order of their names. */
  get apis(): Part[] {
    return this.parts.filter(({ role }) => role === 'api')
  }

  async start(part: Part): Promise<void> {
    const { port } = new URL(part.url)
    const where = ['--data-dir', part.dataDir, '--listen', '127.0.0.1', '--port', port]
    const shared = ['--database', this.#postgres!.url, '--nats', this.#natsUrl, '--no-install']
    part.process = this.#spawn(program, ['serve', '--roles', part.role, ...where, ...shared], part.name)
    await eventually({ timeoutMs: startMsMax }, async () => {
      if (part.process?.exitCode !== null) throw new Error(`${part.name} ended\n${this.#logTail(part.name)}`)
      if (part.role === 'controllers') return this.#assertSays(part, 'serving controllers')
      const reply = await fetch(`${part.url}/identity/v3`)
      await reply.arrayBuffer()
      if (reply.status !== 200) throw new Error(`/identity/v3 answers ${reply.status}`)
    })
  }

  /** `kill -9`. */
  async kill(part: Part): Promise<void> {
    await killed(part.process)
    writeFileSync(this.#logOf(part.name), '')
  }

  /** An operator's command at one of the APIs. */
  quaystone(api: Part, ...args: string[]): Promise<string> {
    return runProgram({ command: program, args: [...args, '--data-dir', api.dataDir], env: this.#env() })
  }

  /** The official client at one of the APIs, as the cloud's administrator; what it printed, parsed. */
  async openstack<T>(api: Part, ...args: string[]): Promise<T> {
    return JSON.parse(await this.openstackText(api, ...args, '-f', 'json')) as T
  }

  /** The same for commands that have no table to format. */
  openstackText(api: Part, ...args: string[]): Promise<string> {
    const env = { ...this.#env(), PATH: '/usr/bin:/bin', no_proxy: '*' }
    const clouds = { OS_CLIENT_CONFIG_FILE: join(api.dataDir, 'clouds.yaml'), OS_CLOUD: 'quaystone-admin' }
    return runProgram({ command: '/usr/bin/openstack', args, env: { ...env, ...clouds }, cwd: this.directory })
  }

  logs(): string {
    const names = [...this.parts.map(({ name }) => name), 'agent', 'nats']
    return names.map((name) => `--- ${name}\n${this.#logTail(name)}`).join('\n')
  }

  async destroy(): Promise<void> {
    await Promise.all([this.#agent, ...this.parts.map((part) => part.process)].map(killed))
    await killed(this.#nats)
    await this.#postgres?.stop()
    const identity = join(this.directory, 'api-1', 'identity.json')
    if (existsSync(identity)) sweep(JSON.parse(readFileSync(identity, 'utf8')).cloudId)
    rmSync(this.directory, { recursive: true, force: true })
  }

  async #startStores(): Promise<void> {
    const bin = findPostgresBin()
    if (bin === undefined) throw new Error('PostgreSQL is not installed')
    this.#postgres = await startPrivatePostgres(bin, this.#env())
    const port = await freePort()
    this.#natsUrl = `nats://127.0.0.1:${port}`
    this.#nats = this.#spawn('nats-server', ['--addr', '127.0.0.1', '--port', String(port)], 'nats')
  }

  /** The first makes the cloud's identity, and the others have it from it; images are in a folder of all. */
  async #addPart(name: string, role: Part['role']): Promise<void> {
    const dataDir = join(this.directory, name)
    const part: Part = { name, role, dataDir, url: `http://127.0.0.1:${await freePort()}` }
    const images = join(this.directory, 'images')
    mkdirSync(images, { recursive: true })
    mkdirSync(dataDir, { mode: 0o700 })
    symlinkSync(images, join(dataDir, 'glance'))
    const first = this.parts[0]
    if (first) cpSync(join(first.dataDir, 'identity.json'), join(dataDir, 'identity.json'))
    this.parts.push(part)
    await this.start(part)
  }

  async #startAgent(): Promise<void> {
    const tokenFile = join(this.directory, 'token')
    writeFileSync(tokenFile, await this.quaystone(this.apis[0]!, 'hosts', 'token'), { mode: 0o600 })
    const flags = ['--name', 'harbour', '--address', '127.0.0.1', '--no-install']
    const own = ['--data-dir', join(this.directory, 'agent-data'), '--nats', this.#natsUrl, '--token-file', tokenFile]
    this.#agent = this.#spawn(program, ['agent', ...flags, ...own], 'agent')
  }

  #assertSays({ name }: Part, words: string): void {
    if (!this.#logTail(name).includes(words)) throw new Error(`${name} does not serve yet`)
  }

  #logOf(name: string): string {
    return join(this.directory, `${name}.log`)
  }
  #logTail(name: string): string {
    const path = this.#logOf(name)
    return existsSync(path) ? readFileSync(path, 'utf8').slice(-logTailChars) : ''
  }

  #env(): NodeJS.ProcessEnv {
    const { PATH, DOCKER_HOST } = process.env
    return { PATH, HOME: this.directory, LANG: 'C.UTF-8', ...(DOCKER_HOST === undefined ? {} : { DOCKER_HOST }) }
  }

  #spawn(command: string, args: string[], name: string): ChildProcess {
    const log = openSync(this.#logOf(name), 'a')
    const options = { cwd: this.directory, detached: true, env: this.#env() }
    return spawn(command, args, { ...options, stdio: ['ignore', log, log] })
  }
}

/** `kill -9` of the program and of everything it started. */
async function killed(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  process.kill(-child.pid, 'SIGKILL')
  await ended
}
