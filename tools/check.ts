/** The gates, all at once: types, lint, import rules, unused code, house rules, generated files. `npm run check`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { noCounts, type Counts } from './test/outcome.ts'
import { say } from './test/say.ts'

interface Gate {
  readonly name: string
  /** Arguments of Node. */
  readonly args: readonly string[]
}

const root = join(import.meta.dirname, '..')
const bin = (path: string): string => join(root, 'node_modules', path)
const outputCharsMax = 20_000

const gates: readonly Gate[] = [
  { name: 'types', args: [bin('typescript/bin/tsc'), '-p', root] },
  { name: 'lint', args: [join(root, 'tools/lint.ts')] },
  { name: 'imports', args: [join(root, 'tools/imports/check.ts')] },
  { name: 'unused code', args: [bin('knip/bin/knip.js'), '--no-progress'] },
  { name: 'house rules', args: [join(root, 'tools/tidy.ts')] },
  { name: 'generated files', args: [join(root, 'tools/gen.ts'), '--check'] },
]

async function runGate(gate: Gate): Promise<boolean> {
  const startedMs = Date.now()
  const child = spawn(process.execPath, gate.args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-outputCharsMax)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) say.failure('gate', gate.name, output.trim())
  say.file(`gate ${gate.name}`, { ...noCounts(), [code === 0 ? 'passed' : 'failed']: 1 }, Date.now() - startedMs)
  return code === 0
}

export async function runGates(): Promise<Counts> {
  const results = await Promise.all(gates.map(runGate))
  const passed = results.filter(Boolean).length
  return { ...noCounts(), passed, failed: results.length - passed }
}

if (import.meta.main) {
  const { passed, failed } = await runGates()
  say.line(`\n${passed} gates passed, ${failed} failed`)
  process.exitCode = failed > 0 ? 1 : 0
}
