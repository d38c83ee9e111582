/** The bus over NATS passes the common suite, between two connections. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { busSuite } from './bus-conformance.ts'
import { createNatsBus } from './nats-bus.ts'
import { startNatsServer } from './nats-server.ts'

busSuite({
  name: 'NATS',
  open: async () => {
    const server = await startNatsServer({ token: 'a-secret' })
    const connected = () => createNatsBus({ url: server.url, token: 'a-secret' })
    const [near, far] = await Promise.all([connected(), connected()])
    return { near, far, close: async () => { await near.close(); await far.close(); await server.stop() } }
  },
})

test('a wrong token, and nobody at the address, are errors with a sentence', async () => {
  const server = await startNatsServer({ token: 'a-secret' })
  await assert.rejects(createNatsBus({ url: server.url, token: 'wrong' }), /NATS at .* does not answer/)
  const withToken = await createNatsBus({ url: server.url.replace('://', '://a-secret@') })
  await withToken.close()
  await server.stop()
  await assert.rejects(createNatsBus({ url: server.url.replace('://', '://a-secret@') }), /NATS at nats:\/\/127[^@]*$/)
  await assert.rejects(createNatsBus({ url: server.url }), /NATS at .* does not answer/)
})
