/** `quaystone doctor`: what bears a cloud's mark and belongs to nobody, and work that does not get on. */
import { Command } from 'commander'
import { defaultDataDir } from '../app/config.ts'
import { StartProblem } from '../app/data-dir.ts'
import { machineHoldings, type Holding, type MachineHoldings } from '../app/machine-holdings.ts'
import { systemClock } from '#platform/clock/clock.ts'
import { pingEngine } from './install/engine-ping.ts'
import { operatorSession } from './operator-session.ts'

interface CloudReport {
  leaks: { kind: string; host: string | null; id: string; explanation: string }[]
  stuck: { workloadId: string; state: string; step: string | null; sinceMs: number }[]
  hostsSilent: string[]
}

interface Flags {
  dataDir: string
  format: string
  reap: boolean
  mark: string[]
}

/** What was looked at; absent: it could not be, and `remarks` says why. */
interface Findings {
  cloud?: CloudReport
  machine?: Holding[]
  reaped: Holding[]
  remarks: string[]
}

export const doctorCommand = (): Command =>
  new Command('doctor')
    .description(
      'look for things without an owner (containers, claims, links, namespaces, rules; also of clouds whose data ' +
        'directory is gone), stuck work and silent hosts; exits with 1 when it finds any',
    )
    .option('--data-dir <path>', "the cloud's data directory", defaultDataDir(process.env))
    .option('-f, --format <format>', 'table or json', 'table')
    .option('--reap', 'remove what belongs to nobody', false)
    .option('--mark <mark...>', 'with --reap: also remove what bears this mark, whose owner is not known', [])
    .action(doctor)

async function doctor(flags: Flags): Promise<void> {
  const findings: Findings = { reaped: [], remarks: [] }
  await lookAtCloud(flags, findings)
  await lookAtMachine(flags, findings)
  const problems = [...cloudLines(findings.cloud), ...machineLines(findings.machine)]
  const news = findings.reaped.map(({ tag, things }) => `reaped ${things.length} things of mark ${tag}`)
  const lines = [...findings.remarks, ...news, ...(problems.length ? problems : [healthy(findings)])]
  process.stdout.write(flags.format === 'json' ? `${JSON.stringify(findings, null, 2)}\n` : `${lines.join('\n')}\n`)
  process.exitCode = problems.length || !findings.cloud ? 1 : 0
}

const healthy = ({ cloud }: Findings): string =>
  cloud ? 'Healthy: no leaks, no stuck work, every host answers.' : 'No leaks on this machine.'

async function lookAtCloud({ dataDir, reap }: Flags, findings: Findings): Promise<void> {
  try {
    const ask = await operatorSession(dataDir)
    if (reap) await ask('/admin/doctor/reap', { method: 'POST' })
    findings.cloud = await ask<CloudReport>('/admin/doctor')
  } catch (error) {
    if (!(error instanceof StartProblem)) throw error
    findings.remarks.push(`The cloud itself was not examined: ${error.message}`)
  }
}

async function lookAtMachine(flags: Flags, findings: Findings): Promise<void> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    findings.remarks.push('This machine was not examined for what dead clouds left: that needs root on Linux.')
    return
  }
  const socketPath = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace(/^unix:\/\//, '')
  const hasEngine = (await pingEngine(socketPath)) === 'ready'
  if (!hasEngine) findings.remarks.push(`Containers were not examined: no Docker Engine answers at ${socketPath}.`)
  const machine = machineHoldings({ clock: systemClock, ...(hasEngine && { socketPath }) })
  try {
    findings.reaped = flags.reap ? await reap(machine, flags.mark) : []
    findings.machine = await machine.list()
  } finally {
    await machine.close()
  }
}

/** A cloud that lives is never touched, whatever is asked. */
async function reap(machine: MachineHoldings, marks: string[]): Promise<Holding[]> {
  const isReapable = ({ life, tag }: Holding): boolean =>
    life === 'dead' || (life === 'unknown' && marks.includes(tag))
  const doomed = (await machine.list()).filter(isReapable)
  for (const holding of doomed) await machine.reap(holding)
  await machine.forgetEmpty()
  return doomed
}

const cloudLines = (report: CloudReport | undefined): string[] => [
  ...(report?.leaks ?? []).map(
    ({ kind, host, explanation }) => `leak   ${kind} on ${host ?? 'no host'}: ${explanation}`,
  ),
  ...(report?.stuck ?? []).map(
    ({ workloadId, state, step, sinceMs }) =>
      `stuck  workload ${workloadId} is ${state} (${step ?? 'no step'}) for ${Math.round(sinceMs / 1000)} s`,
  ),
  ...(report?.hostsSilent ?? []).map((host) => `silent host ${host} did not answer: nothing is known about it`),
]

const machineLines = (machine: Holding[] = []): string[] =>
  machine.filter(({ life }) => life === 'dead' || life === 'unknown').flatMap(holdingLines)

function holdingLines({ tag, cloud, things }: Holding): string[] {
  const owner = cloud
    ? `cloud ${cloud.cloudId}, whose data directory ${cloud.dataDir} is gone`
    : `an owner that never started on this machine under this version (mark ${tag})`
  const remedy = cloud
    ? '`quaystone doctor --reap` removes it'
    : `if none of your clouds runs with it, \`quaystone doctor --reap --mark ${tag}\` removes it`
  return [
    ...things.map(({ kind, name }) => `leak   ${kind} ${name} of mark ${tag}`),
    `       ${things.length} things of ${owner}: ${remedy}`,
  ]
}
