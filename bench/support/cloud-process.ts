/** A whole Quaystone in a process of its own, as a user starts it, for benchmarks to call and to weigh. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { parse } from 'yaml'

const ticksPerSecond = 100
const root = join(import.meta.dirname, '..', '..')

export interface Answer { status: number; headers: Record<string, unknown>; body: any }

export interface CloudProcess {
  url: string
  pid: number
  /** From the command to the line that says it serves, ms. */
  startedMs: number
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** The administrator's token. */
  token(): string
  /** User and system CPU time that the process has used, ms. */
  cpuMs(): number
  /** Resident memory, MiB. */
  residentMiB(): number
  stop(): Promise<void>
  remove(): void
}

const servesAt = (child: ChildProcess): Promise<string> => new Promise((resolve, reject) => {
  let text = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    text += chunk
    const match = /serves at (http:\S+)/.exec(text)
    if (match) resolve(match[1]!)
  })
  child.stderr!.on('data', (chunk: Buffer) => { text += chunk })
  child.once('exit', (code) => reject(new Error(`quaystone up ended with ${code}:\n${text.slice(-2000)}`)))
})

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode === null ? new Promise((resolve) => child.once('exit', () => resolve())) : Promise.resolve()

type Ask = CloudProcess['ask']

const asker = (url: string, agent: Agent, token: { text: string }): Ask => {
  const standing = { 'content-type': 'application/json', 'openstack-api-version': 'compute 2.96' }
  return async (method, path, body, headers = {}) => {
    const answer = await request(url + path, {
      method: method as 'GET', dispatcher: agent, body: body === undefined ? undefined : JSON.stringify(body),
      headers: { 'x-auth-token': token.text, ...standing, ...headers },
    })
    const text = await answer.body.text()
    return { status: answer.statusCode, headers: answer.headers, body: text.startsWith('{') ? JSON.parse(text) : text }
  }
}

const loginBody = (auth: Record<string, string>) => {
  const domain = { id: 'default' }
  return { auth: {
    identity: { methods: ['password'], password: { user: { name: auth.username, password: auth.password, domain } } },
    scope: { project: { name: auth.project_name, domain } },
  } }
}

/** A small machine must hold as many servers as a benchmark asks for; what they use is little. */
const generous = 'workloads: { cpuAllocationRatio: 1000, ramAllocationRatio: 1000, diskAllocationRatio: 1000 }\n'

/** Starts (again) on a data directory; logs in as the administrator. */
export const startCloud = async (
  dataDir = mkdtempSync(join(tmpdir(), 'quaystone-bench-')),
): Promise<CloudProcess & { dataDir: string }> => {
  writeFileSync(join(dataDir, 'quaystone.yaml'), generous)
  const before = performance.now()
  const args = ['up', '--port', '0', '--data-dir', dataDir, '--log-level', 'warn']
  const child = spawn(join(root, 'quaystone'), args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const url = await servesAt(child)
  const startedMs = performance.now() - before
  child.stdout!.resume()
  const agent = new Agent({ connections: 256, pipelining: 1 })
  const token = { text: '' }
  const ask = asker(url, agent, token)
  const { auth } = parse(readFileSync(join(dataDir, 'clouds.yaml'), 'utf8')).clouds['quaystone-admin']
  const login = await ask('POST', '/identity/v3/auth/tokens', loginBody(auth))
  token.text = String(login.headers['x-subject-token'])
  const pid = child.pid!
  const cpuMs = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond
  }
  const residentMiB = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
  const stop = async () => {
    await agent.close()
    child.kill('SIGTERM')
    await ended(child)
  }
  const remove = () => {
    // What the cloud made on this machine, its networks and images, goes with its data.
    execFileSync(join(root, 'quaystone'), ['down', '--data-dir', dataDir, '--purge'], { stdio: 'ignore' })
    rmSync(dataDir, { recursive: true, force: true })
  }
  return { url, pid, startedMs, ask, cpuMs, residentMiB, stop, token: () => token.text, dataDir, remove }
}
