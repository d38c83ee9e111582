/** Several hosts on one machine: a network namespace, a Docker Engine and an agent each, a wire between them all. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startTestEngine, type TestEngine } from '../../packages/server/src/drivers/docker/testing.ts'
import { loopsOf } from '../../packages/server/src/drivers/volumes/loops.ts'
import { eventually } from './eventually.ts'
import { runProgram } from './run-program.ts'

const run = promisify(execFile)
const program = join(import.meta.dirname, '../../quaystone')
const startMsMax = 180_000
const logTailChars = 4_000

const underlay = '10.90.0'
/** The floating addresses of a new cloud. */
const publicCidr = '172.24.4.0/24'

export interface LabHost {
  readonly name: string
  readonly address: string
  readonly namespace: string
  readonly engine: TestEngine
  /** Holds the host's mount namespace, whose `/run` is the host's own, also while neither engine nor agent runs. */
  readonly keeper: ChildProcess
  readonly dataDir: string
  agent?: ChildProcess
}

export interface Answer {
  readonly ok: boolean
  readonly output: string
}

export class HostsLab {
  readonly directory = mkdtempSync(join(tmpdir(), 'quaystone-hosts-'))
  readonly dataDir = join(this.directory, 'data')
  readonly hosts: LabHost[] = []
  readonly #id = `qh${randomBytes(2).toString('hex')}`
  /** The wire between this process and the control plane: link-local, so that it is nobody else's. */
  readonly #wire = `169.254.${randomInt(1, 250)}`
  readonly #port = randomInt(20_000, 30_000)
  readonly #namespaces: string[] = []
  #nats: ChildProcess | undefined
  #cloud: ChildProcess | undefined

  /** The wire, an outsider, a NATS server and a serving control plane; hosts are added by the caller. */
  static async create(): Promise<HostsLab> {
    const lab = new HostsLab()
    try {
      await lab.#layWires()
      await lab.startCloud()
      return lab
    } catch (error) {
      await lab.destroy()
      throw error
    }
  }

  get url(): string {
    return `http://${this.#wire}.2:${this.#port}`
  }
  get outside(): string {
    return `/run/netns/${this.#id}-out`
  }

  async addHost(name: string, token: string): Promise<LabHost> {
    const address = `${underlay}.${this.hosts.length + 1}`
    const namespace = await this.#station(name, address)
    const engine = await startTestEngine({ netns: namespace })
    const keeper = await this.#keeper(name, namespace)
    const host: LabHost = { name, address, namespace, engine, keeper, dataDir: join(this.directory, `agent-${name}`) }
    this.hosts.push(host)
    writeFileSync(this.#tokenFile, token, { mode: 0o600 })
    this.startAgent(host)
    return host
  }

  startAgent(host: LabHost): void {
    const flags = ['--name', host.name, '--address', host.address, '--data-dir', host.dataDir, '--no-install']
    const bus = ['--nats', this.#natsUrl, '--token-file', this.#tokenFile]
    const enter = ['--target', String(host.keeper.pid), '--net', '--mount', '--wd=/']
    const command = [...enter, program, 'agent', ...flags, ...bus]
    host.agent = this.#start('nsenter', command, `${host.name}.log`, {
      DOCKER_HOST: `unix://${host.engine.socketPath}`,
    })
  }

  async killAgent(host: LabHost): Promise<void> {
    await killed(host.agent)
  }

  /** Starts the control plane, also again on the same data; resolves when it serves. */
  async startCloud(): Promise<void> {
    const inside = [`--net=/run/netns/${this.#id}-ctl`, program, 'serve', '--no-install']
    const flags = ['--data-dir', this.dataDir, '--listen', '0.0.0.0', '--port', String(this.#port)]
    this.#cloud = this.#start('nsenter', [...inside, ...flags, '--nats', this.#natsUrl], 'cloud.log')
    await eventually({ timeoutMs: startMsMax }, async () => {
      if (this.#cloud?.exitCode !== null) throw new Error(`the control plane ended\n${this.logTail('cloud.log')}`)
      if (!existsSync(join(this.dataDir, 'clouds.yaml'))) throw new Error('clouds.yaml is not written yet')
      const reply = await fetch(`${this.url}/identity/v3`)
      await reply.arrayBuffer()
      if (reply.status !== 200) throw new Error(`/identity/v3 answers ${reply.status}`)
    })
  }

  async killCloud(): Promise<void> {
    await killed(this.#cloud)
  }

  /** One operator's command on the control plane's machine. */
  async quaystone(...args: string[]): Promise<string> {
    const inside = [`--net=/run/netns/${this.#id}-ctl`, program, ...args, '--data-dir', this.dataDir]
    return await runProgram({ command: 'nsenter', args: inside, env: this.#env() })
  }

  /** A command in a host's network and mount namespaces. Never throws, so that refusals can be asserted. */
  async on(host: LabHost, ...command: string[]): Promise<Answer> {
    return await tried('nsenter', ['--target', String(host.keeper.pid), '--net', '--mount', '--wd=/', ...command])
  }

  /** A command of this machine in a network namespace: a container's, a host's, the outsider's. */
  async within(netns: string, ...command: string[]): Promise<Answer> {
    return await tried('nsenter', [`--net=${netns}`, ...command])
  }

  logTail(name: string): string {
    const path = join(this.directory, name)
    return existsSync(path) ? readFileSync(path, 'utf8').slice(-logTailChars) : ''
  }

  /** What happened, for a test that fails. */
  logs(): string {
    return ['cloud', ...this.hosts.map(({ name }) => name)]
      .map((name) => `--- ${name}\n${this.logTail(`${name}.log`)}`)
      .join('\n')
  }

  /** Ends every process and takes every namespace away; what hosts hold of the cloud goes with them. */
  async destroy(): Promise<void> {
    await Promise.all([this.#cloud, ...this.hosts.map(({ agent }) => agent)].map(killed))
    await killed(this.#nats)
    for (const { engine, keeper } of this.hosts) {
      await killed(keeper)
      await engine.stop()
    }
    for (const name of this.#namespaces) await tried('ip', ['netns', 'delete', name])
    await tried('ip', ['link', 'delete', `${this.#id}w`])
    await tried('umount', ['--recursive', '--lazy', this.directory])
    for (const { device } of loopsOf().filter(({ file }) => file.startsWith(this.directory)))
      await tried('losetup', ['--detach', device])
    rmSync(this.directory, { recursive: true, force: true })
  }

  get #natsUrl(): string {
    return `nats://${underlay}.10:4222`
  }
  get #tokenFile(): string {
    return join(this.directory, 'token')
  }

  #env(): NodeJS.ProcessEnv {
    return { PATH: process.env.PATH, HOME: this.directory, LANG: 'C.UTF-8' }
  }

  #start(command: string, args: string[], logName: string, env: NodeJS.ProcessEnv = {}): ChildProcess {
    const log = openSync(join(this.directory, logName), 'a')
    return spawn(command, args, {
      cwd: this.directory,
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...this.#env(), ...env },
    })
  }

  async #layWires(): Promise<void> {
    mkdirSync(this.dataDir, { recursive: true })
    // What an agent mounts in its own directory, its engine sees, as on a machine of their own.
    await run('mount', ['--bind', this.directory, this.directory])
    await run('mount', ['--make-shared', this.directory])
    writeFileSync(join(this.dataDir, 'quaystone.yaml'), `publicUrl: ${this.url}\n`)
    const fabric = await this.#namespace('fab')
    await run('ip', ['-n', fabric, 'link', 'add', 'name', 'fab', 'type', 'bridge', 'forward_delay', '0'])
    await run('ip', ['-n', fabric, 'link', 'set', 'dev', 'fab', 'up'])
    const control = await this.#station('ctl', `${underlay}.10`)
    const outside = await this.#station('out', `${underlay}.20`)
    await this.within(outside, 'ip', 'route', 'add', publicCidr, 'via', `${underlay}.1`)
    const peer = ['peer', 'name', 'wire', 'netns', `${this.#id}-ctl`]
    await run('ip', ['link', 'add', 'name', `${this.#id}w`, 'type', 'veth', ...peer])
    await run('ip', ['address', 'add', `${this.#wire}.1/30`, 'dev', `${this.#id}w`])
    await run('ip', ['link', 'set', 'dev', `${this.#id}w`, 'up'])
    await this.within(control, 'ip', 'address', 'add', `${this.#wire}.2/30`, 'dev', 'wire')
    await this.within(control, 'ip', 'link', 'set', 'dev', 'wire', 'up')
    const listen = [`--net=${control}`, 'nats-server', '--addr', `${underlay}.10`, '--port', '4222']
    this.#nats = this.#start('nsenter', listen, 'nats.log')
  }

  async #keeper(name: string, namespace: string): Promise<ChildProcess> {
    const own = join(this.directory, `run-${name}`)
    mkdirSync(own)
    const alone = 'mount --make-private / && { mount --make-private /run 2>/dev/null || :; }'
    const script = `${alone} && mount --bind "$0" /run && echo ready && exec sleep infinity`
    const unshare = ['unshare', '--mount', '--propagation', 'unchanged']
    const command = [`--net=${namespace}`, ...unshare, 'sh', '-c', script, own]
    const keeper = spawn('nsenter', command, { detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
    await once(keeper.stdout!, 'data')
    return keeper
  }

  /** A namespace with an address on the wire between the hosts. */
  async #station(name: string, address: string): Promise<string> {
    const namespace = await this.#namespace(name)
    const far = `${this.#id}${name}`
    const peer = ['peer', 'name', far, 'netns', `${this.#id}-fab`]
    await run('ip', ['-n', namespace, 'link', 'add', 'name', 'up0', 'type', 'veth', ...peer])
    await run('ip', ['-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'up0'])
    await run('ip', ['-n', namespace, 'link', 'set', 'dev', 'up0', 'up'])
    await run('ip', ['-n', `${this.#id}-fab`, 'link', 'set', 'dev', far, 'master', 'fab', 'up'])
    return `/run/netns/${namespace}`
  }

  async #namespace(name: string): Promise<string> {
    const full = `${this.#id}-${name}`
    await run('ip', ['netns', 'add', full])
    this.#namespaces.push(full)
    await run('ip', ['-n', full, 'link', 'set', 'dev', 'lo', 'up'])
    return full
  }
}

async function tried(command: string, args: string[]): Promise<Answer> {
  try {
    const { stdout, stderr } = await run(command, args, { timeout: 60_000 })
    return { ok: true, output: stdout + stderr }
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return { ok: false, output: stdout + stderr }
  }
}

/** `kill -9` of the program and of everything it started. */
async function killed(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  process.kill(-child.pid, 'SIGKILL')
  await ended
}
