/** The configuration of a data directory: its `quaystone.yaml`, then flags. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { configSchema, type Config } from '../app/config.ts'
import { loadConfig, yamlLayer } from '#platform/config/config.ts'

export const readConfig = (dataDir: string, flags: Record<string, unknown> = {}): Config => {
  const file = join(dataDir, 'quaystone.yaml')
  return loadConfig<Config>(configSchema, [
    { source: file, tree: existsSync(file) ? yamlLayer(readFileSync(file, 'utf8'), file) : {} },
    { source: 'flags', tree: flags },
  ])
}
