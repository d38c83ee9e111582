/** What Cinder gets from outside besides hosts: files for backups. */
import { join } from 'node:path'
import { createBlobFiles } from '#drivers/objects-fs/blob-files.ts'
import type { CinderPorts } from '#services/cinder/ports.ts'

export const cinderPorts = (dataDir: string): CinderPorts => ({
  backups: createBlobFiles(join(dataDir, 'cinder', 'backups')),
})
