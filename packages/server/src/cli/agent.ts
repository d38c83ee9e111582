/** `quaystone agent`: this machine as a host of a cloud whose control plane is elsewhere. */
import { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { Agent } from '../app/agent/agent.ts'
import { AgentFiles } from '../app/agent/agent-files.ts'
import { lockDataDir, StartProblem } from '../app/data-dir.ts'
import { addressTowards, machineOf } from '../app/local-host.ts'
import type { Bus } from '#platform/bus/bus.ts'
import { createNatsBus } from '#platform/bus/nats-bus.ts'
import { systemClock } from '#platform/clock/clock.ts'
import { createLog, type Log, type LogLevel } from '#platform/log/log.ts'
import { ensureDockerEngine, ensureHostTools } from './install/docker-engine.ts'
import { isRootUser } from './install/install-context.ts'
import { endOnSignals, say } from './serving.ts'
import { readVersion } from './version.ts'

interface AgentFlags {
  nats: string
  tokenFile: string
  name: string
  address?: string
  dockerHost?: string
  dataDir: string
  install: boolean
  logLevel: string
}

const defaultAgentDir = (environment: NodeJS.ProcessEnv): string =>
  join(environment.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'quaystone-agent')

export const agentCommand = (): Command =>
  new Command('agent')
    .description('make this machine a host of a cloud: its Docker Engine and its network do what the cloud wants')
    .requiredOption('--nats <url>', "the cloud's bus, nats://host:4222")
    .requiredOption('--token-file <path>', 'holds what `quaystone hosts token` printed')
    .option('--name <name>', 'name of this host in the cloud', hostname())
    .option('--address <ip>', 'where the other hosts reach this one (default: the address towards NATS)')
    .option('--docker-host <url>', 'Docker Engine, unix:///path (default: DOCKER_HOST, else the usual socket)')
    .option('--data-dir <path>', 'what the agent keeps between its starts', defaultAgentDir(process.env))
    .option('--no-install', 'never install or start anything on this machine')
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .action(runAgent)

async function runAgent(flags: AgentFlags): Promise<void> {
  const dataDir = resolve(flags.dataDir)
  const files = new AgentFiles(dataDir)
  const release = lockDataDir(dataDir)
  try {
    const log = createLog({ level: flags.logLevel as LogLevel })
    const agent = await makeAgent(flags, { dataDir, files, log })
    endOnSignals(() => agent.stop().finally(release), log)
    await agent.start()
    say(`This host keeps what ${flags.name} is told by the cloud; Ctrl-C ends the agent, containers go on.`)
  } catch (error) {
    release()
    throw error
  }
}

interface Surroundings {
  dataDir: string
  files: AgentFiles
  log: Log
}

async function makeAgent(flags: AgentFlags, { dataDir, files, log }: Surroundings): Promise<Agent> {
  const token = readToken(flags.tokenFile)
  const address = flags.address ?? (await addressTowards(flags.nats))
  if (address === undefined)
    throw new StartProblem('The other hosts must reach this one: give its IP address by --address.')
  const install = { clock: systemClock, say, allowInstall: flags.install, isRoot: isRootUser() }
  const { socketPath } = await ensureDockerEngine(install, {
    dockerHost: flags.dockerHost ?? process.env.DOCKER_HOST,
    logFile: join(dataDir, 'dockerd.log'),
  })
  await ensureHostTools(install)
  const machine = { address, gateDir: files.gateDir, dataDir, socketPath, log, clock: systemClock }
  const agent: Agent = new Agent({
    connect: () => connect(flags.nats, log),
    token,
    name: flags.name,
    address,
    version: readVersion(),
    files,
    machine: machineOf({ ...machine, metadata: (ask) => agent.metadata(ask) }),
    clock: systemClock,
    log,
  })
  return agent
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new StartProblem(
      `The token file cannot be read: ${(error as Error).message}. It holds what \`quaystone hosts token\` prints.`,
    )
  }
}

const pauseMs = 1_000

/** The host is kept meanwhile, so there is no hurry and no end. */
async function connect(url: string, log: Log): Promise<Bus> {
  for (;;) {
    try {
      return await createNatsBus({ url, name: 'quaystone agent', log })
    } catch (error) {
      log.warn({ reason: (error as Error).message }, 'No bus yet; trying again until there is')
      await systemClock.sleep(pauseMs)
    }
  }
}
