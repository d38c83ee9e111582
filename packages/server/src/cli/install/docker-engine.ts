/** Finds a Docker Engine on this host, or installs and starts one; `up` and the tests begin here. */
import { isRefusal, unavailable } from '#platform/errors/errors.ts'
import { ensureDebianPackages } from './debian-packages.ts'
import { pingEngine } from './engine-ping.ts'
import type { InstallContext } from './install-context.ts'
import { findProgram } from './run-step.ts'
import { startDockerd } from './start-dockerd.ts'

export interface EngineFound {
  readonly socketPath: string
}

export interface EngineRequest {
  /** The value of DOCKER_HOST, when set: then exactly that engine is used, and nothing is installed or started. */
  readonly dockerHost: string | undefined
  /** The log of a daemon that we have to start ourselves. */
  readonly logFile: string
}

const usualSocket = '/var/run/docker.sock'
/** Each program that Quaystone runs on a host, and the Debian package that has it. */
const hostTools = { ip: 'iproute2', nft: 'nftables', busybox: 'busybox-static' }
const optionalTools = { dropbear: 'dropbear-bin' }

export async function ensureDockerEngine(context: InstallContext, request: EngineRequest): Promise<EngineFound> {
  const socketPath = socketOf(request.dockerHost)
  const answer = await pingEngine(socketPath)
  if (answer === 'denied') {
    throw unavailable(
      `This user may not use the Docker Engine at ${socketPath}; start with sudo, or join the socket's group.`,
    )
  }
  if (answer === 'absent' && request.dockerHost !== undefined) {
    throw unavailable(
      `No Docker Engine answers at DOCKER_HOST=${request.dockerHost}; start it, or unset DOCKER_HOST.`,
    )
  }
  if (answer === 'absent') await installAndStart(context, { socketPath, logFile: request.logFile })
  return { socketPath }
}

/** The tools that the host's network and the built-in image need; and an ssh server for that image if it can be. */
export async function ensureHostTools(context: InstallContext): Promise<void> {
  const packagesFor = (tools: Readonly<Record<string, string>>): string[] =>
    Object.entries(tools).flatMap(([program, name]) => (findProgram(program) === undefined ? [name] : []))
  const missing = packagesFor(hostTools)
  const wished = packagesFor(optionalTools)
  if (missing.length > 0) await ensureDebianPackages(context, missing, 'the host network and the built-in image')
  if (wished.length > 0 && context.allowInstall && context.isRoot) await tryToInstall(context, wished)
}

async function tryToInstall(context: InstallContext, packages: readonly string[]): Promise<void> {
  try {
    await ensureDebianPackages(context, packages, 'ssh into the built-in image')
  } catch (error) {
    if (!isRefusal(error)) throw error
    context.say(`the built-in image will have no ssh server: ${error.message.split('\n')[0]}`)
  }
}

function socketOf(dockerHost: string | undefined): string {
  if (dockerHost === undefined) return usualSocket
  if (dockerHost.startsWith('unix://')) return dockerHost.slice('unix://'.length)
  throw unavailable(
    `DOCKER_HOST=${dockerHost} is not a Unix socket of this host, where containers get their network; unset it.`,
  )
}

async function installAndStart(
  context: InstallContext,
  start: { socketPath: string; logFile: string },
): Promise<void> {
  const installed = findProgram('dockerd') !== undefined
  if (!installed) await ensureDebianPackages(context, ['docker.io'], 'running containers')
  if (installed && !context.allowInstall) {
    throw unavailable(
      'Docker is installed but does not run, and may not be started (--no-install); run: service docker start',
    )
  }
  if (!context.isRoot)
    throw unavailable(
      'Docker is installed but does not run, and starting it needs root: start with sudo, or start Docker first.',
    )
  context.say('no Docker Engine answers; starting the installed one')
  await startDockerd(context, start)
}
