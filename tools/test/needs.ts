/** Makes ready what tests need beyond Node: once each, on first use, with the reason when it cannot be. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureDebianPackages } from '../../packages/server/src/cli/install/debian-packages.ts'
import { ensureDockerEngine, ensureHostTools } from '../../packages/server/src/cli/install/docker-engine.ts'
import { isRootUser, type InstallContext } from '../../packages/server/src/cli/install/install-context.ts'
import { systemClock } from '../../packages/server/src/platform/clock/clock.ts'
import { clientPackages } from '../../contract/support/client-packages.ts'
import { purgeDeadClouds } from './dead-clouds.ts'
import type { Need } from './layers.ts'
import { findPostgresBin, startPrivatePostgres } from './private-postgres.ts'
import { say } from './say.ts'

/** Variables for the tests, or why they cannot run. */
export type Readiness = { readonly env: Readonly<Record<string, string>> } | { readonly reason: string }

const context: InstallContext = {
  clock: systemClock,
  say: (line) => say.line(`  ${line}`),
  allowInstall: true,
  isRoot: isRootUser(),
}

/** What tests use of a machine beside what the program itself needs: a bus between hosts, and packets to send. */
const rootPackages = ['nats-server', 'iputils-ping', 'netcat-openbsd', 'util-linux', 'openssh-client'] as const

export class Needs {
  readonly #childEnv: NodeJS.ProcessEnv
  readonly #ready = new Map<Need, Promise<Readiness>>()
  readonly #stops: (() => Promise<void>)[] = []
  readonly #makers: Record<Need, () => Promise<Readiness>> = {
    postgres: () => this.#postgres(),
    root: async () => this.#root(),
    docker: () => this.#docker(),
    clients: () => this.#clients(),
  }

  constructor(childEnv: NodeJS.ProcessEnv) {
    this.#childEnv = childEnv
  }

  /** Never rejects: a need that cannot be met is a reason to skip, not to stop the run. */
  get(need: Need): Promise<Readiness> {
    const known = this.#ready.get(need)
    if (known !== undefined) return known
    const made = this.#makers[need]().catch((error: Error): Readiness => ({ reason: error.message.split('\n')[0]! }))
    this.#ready.set(need, made)
    return made
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) await stop()
  }

  async #postgres(): Promise<Readiness> {
    const given = process.env.QUAYSTONE_TEST_PG
    if (given !== undefined) return { env: { QUAYSTONE_TEST_PG: given } }
    if (findPostgresBin() === undefined) await ensureDebianPackages(context, ['postgresql'], 'the store tests')
    const bin = findPostgresBin()
    if (bin === undefined)
      return { reason: 'PostgreSQL is installed, but its programs are not in /usr/lib/postgresql.' }
    const server = await startPrivatePostgres(bin, this.#childEnv)
    this.#stops.push(() => server.stop())
    return { env: { QUAYSTONE_TEST_PG: server.url } }
  }

  async #root(): Promise<Readiness> {
    if (!context.isRoot)
      return { reason: 'these tests change the network of this machine and need root; start with sudo.' }
    await ensureHostTools(context)
    await ensureDebianPackages(context, rootPackages, 'tests of hosts and their network')
    return { env: {} }
  }

  async #docker(): Promise<Readiness> {
    const logFile = join(tmpdir(), 'quaystone-dockerd.log')
    const { socketPath } = await ensureDockerEngine(context, { dockerHost: process.env.DOCKER_HOST, logFile })
    return { env: { DOCKER_HOST: `unix://${socketPath}` } }
  }

  async #clients(): Promise<Readiness> {
    await ensureDebianPackages(context, clientPackages, 'the contract tests')
    await purgeDeadClouds(say.line)
    return { env: {} }
  }
}
