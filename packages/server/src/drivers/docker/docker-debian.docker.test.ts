/** The driver on Debian's Docker Engine 20.10 (API 1.41), started for this test alone. */
import { test } from 'node:test'
import { dockerSuite } from './docker-suite.ts'
import { engineMissing, startTestEngine } from './testing.ts'

const missing = engineMissing()
if (missing) test('Debian\'s Docker Engine', { skip: missing }, () => {})
else dockerSuite('Debian\'s Docker Engine', () => startTestEngine())
