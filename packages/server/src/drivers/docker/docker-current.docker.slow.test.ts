/** The driver on a current Docker Engine (API 1.56, containerd's image store), named by the environment. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { dockerSuite } from './docker-suite.ts'
import { startTestEngine } from './testing.ts'

const current = { name: 'a current Docker Engine', apiVersion: /^1\.5\d$/, storeKind: 'containerd' } as const
/** Folder with its dockerd, containerd, runc…, or the socket of an engine that runs already. */
const place = process.env['QUAYSTONE_CURRENT_DOCKER']
if (!place)
  test(current.name, { skip: 'QUAYSTONE_CURRENT_DOCKER names no socket and no folder with a dockerd' }, () => {})
else if (statSync(place).isDirectory())
  dockerSuite(current, () => startTestEngine({ dockerd: join(place, 'dockerd'), binDir: place }))
else dockerSuite(current, async () => ({ socketPath: place, stop: async () => {} }))
