/** The operator's overrides, `<data dir>/policy/<service>.yaml`: rule name to rule text, in oslo.policy's words. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { yamlLayer } from '#platform/config/config.ts'
import { StartProblem } from './data-dir.ts'

export const readOverrides = (dir: string, service: string): Record<string, string> => {
  const file = join(dir, `${service}.yaml`)
  if (!existsSync(file)) return {}
  const rules = yamlLayer(readFileSync(file, 'utf8'), file)
  const odd = Object.entries(rules).find(([, rule]) => typeof rule !== 'string')
  if (odd) throw new StartProblem(`${file}: the rule "${odd[0]}" must be text, such as "role:admin"`)
  return rules as Record<string, string>
}
