/** The driver on Debian's Docker Engine 20.10 (API 1.41), started for this test alone. */
import { test } from 'node:test'
import { dockerSuite } from './docker-suite.ts'
import { engineMissing, startTestEngine } from './testing.ts'

const debian = { name: 'Debian\'s Docker Engine', apiVersion: /^1\.41$/, storeKind: 'graphdriver' } as const
const missing = engineMissing()
if (missing) test(debian.name, { skip: missing }, () => {})
else dockerSuite(debian, () => startTestEngine())
