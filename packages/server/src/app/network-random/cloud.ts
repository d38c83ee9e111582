/** A cloud of Keystone and Neutron over a real host network, with sandboxes in the place of containers. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { systemClock } from '#platform/clock/clock.ts'
import { loadConfig } from '#platform/config/config.ts'
import { silentLog } from '#platform/log/log.ts'
import { createFakeRuntime } from '#drivers/fakes/container-runtime.ts'
import type { Lab, Sandbox } from '#drivers/linux-net/lab.ts'
import type { Host } from '#services/deps.ts'
import { compose, type Cloud } from '../compose.ts'
import { configSchema, type Config } from '../config.ts'
import { openDataDir, type Identity } from '../data-dir.ts'
import { services } from '../services.ts'
import { passwordLogin } from '../testing.ts'

export const hostName = 'host-1'

/** Refusals are answers; a fault of the program is not. */
export interface Answer {
  status: number
  body: any
}

export class NetworkCloud {
  readonly lab: Lab
  readonly #cloud: Cloud
  readonly #dataDir: string
  readonly #token: string
  readonly #projectId: string

  private constructor(lab: Lab, parts: { cloud: Cloud; dataDir: string; token: string; projectId: string }) {
    this.lab = lab
    this.#cloud = parts.cloud
    this.#dataDir = parts.dataDir
    this.#token = parts.token
    this.#projectId = parts.projectId
  }

  static async start(lab: Lab): Promise<NetworkCloud> {
    const dataDir = mkdtempSync(join(tmpdir(), 'quaystone-random-'))
    const identity = openDataDir(dataDir)
    const cloud = await composed(lab, dataDir, identity)
    const login = await cloud.server.inject({
      method: 'POST',
      url: '/identity/v3/auth/tokens',
      payload: passwordLogin('admin', identity.adminPassword, 'admin'),
    })
    const token = String(login.headers['x-subject-token'])
    return new NetworkCloud(lab, { cloud, dataDir, token, projectId: login.json().token.project.id })
  }

  /** One request as the administrator; `path` is below `/network/v2.0`. */
  async ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<Answer> {
    const answer = await this.#cloud.server.inject({
      method,
      url: `/network/v2.0${path}`,
      headers: { 'x-auth-token': this.#token },
      ...(body && { payload: body }),
    })
    if (answer.statusCode >= 500) throw new Error(`${method} ${path} answered ${answer.statusCode}: ${answer.body}`)
    return { status: answer.statusCode, body: answer.body ? answer.json() : undefined }
  }

  /** The collection's items. */
  async list(collection: string): Promise<any[]> {
    const { body } = await this.ask('GET', `/${collection}`)
    return body[collection.replaceAll('-', '_')]
  }

  /** Does with a sandbox what a workload does with its container: port, bind, plug. False: Neutron refused. */
  async attach(box: Sandbox, networkId: string, securityGroups: string[]): Promise<boolean> {
    const { db, facades } = this.#cloud
    const port = {
      id: randomUUID(),
      networkId,
      projectId: this.#projectId,
      deviceId: box.id,
      deviceOwner: 'compute:nova',
      securityGroups,
    }
    const made = await db.transaction((tx) => facades.neutron.portEnsure(tx, port)).catch(refusalOnly)
    if (made === undefined) return false
    await facades.neutron.portsBind(box.id, hostName)
    await this.plug(box)
    return true
  }

  /** Again after the sandbox was started anew. */
  async plug(box: Sandbox): Promise<void> {
    const sandbox = { workloadId: box.id, pid: box.pid, netns: box.netns }
    for (const plan of await this.#cloud.facades.neutron.plugPlans(box.id, sandbox)) {
      await this.lab.host.plug(plan.network, plan.port, plan.securityGroups)
      await this.#cloud.facades.neutron.portStatus(plan.port.id, 'ACTIVE')
    }
  }

  async detach(box: Sandbox): Promise<void> {
    const { db, facades } = this.#cloud
    const ports = await facades.neutron.portsOf(box.id)
    for (const port of ports) await this.lab.host.unplug(port.id)
    await db.transaction((tx) => facades.neutron.portsRelease(tx, box.id))
  }

  leaks() {
    return this.#cloud.facades.neutron.hostLeaks()
  }

  async close(): Promise<void> {
    await this.#cloud.close()
    rmSync(this.#dataDir, { recursive: true, force: true })
  }
}

async function composed(lab: Lab, dataDir: string, identity: Identity): Promise<Cloud> {
  const host: Host = {
    name: hostName,
    runtime: createFakeRuntime({ clock: systemClock }),
    network: lab.host,
    address: '127.0.0.1',
  }
  const needed = ['keystone', 'hosts', 'quota', 'placement', 'neutron']
  const cheapHashes = { keystone: { argon2MemoryKiB: 64, argon2Passes: 1 } }
  return await compose({
    services: services.filter(({ name }) => needed.includes(name)),
    config: loadConfig<Config>(configSchema, [{ source: 'test', tree: cheapHashes }]),
    dataDir,
    identity,
    clock: systemClock,
    log: silentLog,
    hosts: { list: () => [host], find: (name) => (name === hostName ? host : undefined) },
    extras: { keystone: { adminPassword: identity.adminPassword, demoPassword: identity.demoPassword } },
  })
}

const refusalOnly = (error: { kind?: string }): undefined => {
  if (error.kind === undefined || error.kind === 'internal') throw error
  return undefined
}
