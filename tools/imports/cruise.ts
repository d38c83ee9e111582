/** Runs dependency-cruiser and gives back what it saw: the number of modules, and each broken rule. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface Violation {
  readonly rule: string
  readonly from: string
  readonly to: string
}

export interface Cruise {
  readonly modules: number
  readonly violations: readonly Violation[]
}

interface CruiserReport {
  readonly summary: {
    readonly totalCruised: number
    readonly violations: readonly { from: string; to: string; rule: { name: string } }[]
  }
}

const root = join(import.meta.dirname, '../..')
const reportBytesMax = 256 * 1024 * 1024

export async function cruise(folder: string): Promise<Cruise> {
  const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs')
  const args = [cruiser, '--config', '.dependency-cruiser.mjs', '--output-type', 'json', folder]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, maxBuffer: reportBytesMax })
  const { summary } = JSON.parse(stdout) as CruiserReport
  const violations = summary.violations.map(({ from, to, rule }) => ({ rule: rule.name, from, to }))
  return { modules: summary.totalCruised, violations }
}
