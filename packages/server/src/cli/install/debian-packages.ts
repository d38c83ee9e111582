/** Installs Debian packages that are missing, with the machine's own apt; idempotent. */
import { execFileSync } from 'node:child_process'
import { unavailable } from '#platform/errors/errors.ts'
import type { InstallContext } from './install-context.ts'
import { findProgram, runStep } from './run-step.ts'

const quietApt = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l' }
const remedy =
  'Check the network and the package sources in /etc/apt, or install the packages by hand, then start again.'

function outputOf(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch (error) {
    // dpkg-query ends with 1 when it knows only some of the packages; what it printed about the others still counts.
    return String((error as { stdout?: string }).stdout ?? '')
  }
}

function missingOf(packages: readonly string[]): string[] {
  const known = outputOf('dpkg-query', ['--show', '--showformat', '${Package} ${db:Status-Status}\n', ...packages])
  const installed = new Set(
    known
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  )
  return packages.filter((name) => !installed.has(name))
}

function hasCandidates(packages: readonly string[]): boolean {
  const policy = outputOf('apt-cache', ['policy', ...packages])
  return packages.every((name) => new RegExp(`^${name}:\\n.*\\n  Candidate: (?!\\(none\\))`, 'm').test(policy))
}

/** The reason why packages cannot be installed here, or undefined when they can. */
function obstacle(context: InstallContext, packages: readonly string[]): string | undefined {
  const list = packages.join(' ')
  if (findProgram('apt-get') === undefined) {
    return `This machine has no apt; install what these Debian packages hold with its own package manager: ${list}.`
  }
  if (!context.allowInstall) return `Nothing may be installed (--no-install); run: apt-get install -y ${list}`
  if (!context.isRoot) return `Installing needs root; start with sudo, or run: sudo apt-get install -y ${list}`
  return undefined
}

/** Makes sure that the packages are installed. `purpose` completes the sentence "… needed for …" of a refusal. */
export async function ensureDebianPackages(
  context: InstallContext,
  packages: readonly string[],
  purpose: string,
): Promise<void> {
  const missing = findProgram('dpkg-query') === undefined ? packages : missingOf(packages)
  if (missing.length === 0) return
  const reason = obstacle(context, missing)
  if (reason !== undefined) throw unavailable(`Missing for ${purpose}: ${missing.join(', ')}. ${reason}`)
  if (!hasCandidates(missing)) {
    await runStep(context, {
      label: 'reading the package lists',
      command: 'apt-get',
      args: ['update', '-q'],
      env: quietApt,
      remedy,
    })
  }
  const args = ['install', '-y', '-q', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', ...missing]
  await runStep(context, {
    label: `installing ${missing.join(', ')}`,
    command: 'apt-get',
    args,
    env: quietApt,
    remedy,
  })
}
