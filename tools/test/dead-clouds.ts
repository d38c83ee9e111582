/** Clouds of contract tests that were interrupted: what they left on the machine stands in the way of the next ones. */
import { execFile } from 'node:child_process'
import { existsSync, globSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const shim = join(import.meta.dirname, '../../quaystone')

/** A cloud that runs, of another suite beside this one, refuses to go and is left alone. */
export async function purgeDeadClouds(say: (line: string) => void): Promise<void> {
  for (const dataDir of globSync(join(tmpdir(), 'quaystone-contract-*/data'))) {
    if (!existsSync(join(dataDir, 'identity.json'))) continue
    const purged = await promisify(execFile)(shim, ['down', '--purge', '--data-dir', dataDir]).catch(() => undefined)
    if (!purged) continue
    rmSync(dirname(dataDir), { recursive: true, force: true })
    say(`  purged a cloud of an interrupted run: ${dataDir}`)
  }
}
