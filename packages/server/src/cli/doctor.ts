/** `quaystone doctor`: what bears the cloud's mark and belongs to nobody, and work that does not get on. */
import { Command } from 'commander'
import { defaultDataDir } from '../app/config.ts'
import { operatorSession } from './operator-session.ts'

interface Report {
  leaks: { kind: string; host: string | null; id: string; explanation: string }[]
  stuck: { workloadId: string; state: string; step: string | null; sinceMs: number }[]
  hostsSilent: string[]
}

export const doctorCommand = (): Command =>
  new Command('doctor')
    .description(
      'look for containers and claims without an owner, stuck work and silent hosts; exits with 1 when it finds any',
    )
    .option('--data-dir <path>', "the cloud's data directory", defaultDataDir(process.env))
    .option('-f, --format <format>', 'table or json', 'table')
    .action(show)

const linesOf = ({ leaks, stuck, hostsSilent }: Report): string[] => [
  ...leaks.map(({ kind, host, explanation }) => `leak   ${kind} on ${host ?? 'no host'}: ${explanation}`),
  ...stuck.map(
    ({ workloadId, state, step, sinceMs }) =>
      `stuck  workload ${workloadId} is ${state} (${step ?? 'no step'}) for ${Math.round(sinceMs / 1000)} s`,
  ),
  ...hostsSilent.map((host) => `silent host ${host} did not answer: nothing is known about it`),
]

async function show(flags: { dataDir: string; format: string }): Promise<void> {
  const report = await (await operatorSession(flags.dataDir))<Report>('/admin/doctor')
  const lines = linesOf(report)
  if (flags.format === 'json') process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  else
    process.stdout.write(
      `${lines.length ? lines.join('\n') : 'Healthy: no leaks, no stuck work, every host answers.'}\n`,
    )
  process.exitCode = lines.length ? 1 : 0
}
