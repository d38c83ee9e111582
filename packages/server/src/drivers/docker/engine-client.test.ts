/** The client against a scripted engine: versions, lost connections, refusals, broken answers. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { EngineClient } from './engine-client.ts'

const upgraded = 'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'

/** An engine on a socket of its own, and a client of it. `ping` is the version it offers. */
async function scripted(t: TestContext, answer: RequestListener, ping: () => string = () => '1.41') {
  const dir = await mkdtemp('/tmp/quaystone-client-')
  const socketPath = join(dir, 'engine.sock')
  const server = createServer((request, response) => {
    if (request.url === '/_ping') response.setHeader('Api-Version', ping()).end('OK')
    else void answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  const client = new EngineClient({ socketPath })
  t.after(async () => {
    await client.close()
    server.closeAllConnections()
    server.close()
    await rm(dir, { recursive: true })
  })
  return { client, server }
}

test('calls carry the negotiated version, asked once', async (t) => {
  const urls: string[] = []
  let pings = 0
  const { client } = await scripted(
    t,
    (request, response) => {
      urls.push(request.url!)
      response.end('{"a":1}')
    },
    () => {
      pings++
      return '1.44'
    },
  )
  assert.deepEqual(await client.json('GET', '/info'), { a: 1 })
  await client.json('GET', '/x', { query: { all: 1, none: undefined, name: 'a b' } })
  assert.deepEqual(urls, ['/v1.44/info', '/v1.44/x?all=1&name=a+b'])
  assert.equal(pings, 1)
})

test('an engine that was upgraded is asked for its version again', async (t) => {
  let offered = '1.41'
  const { client } = await scripted(t, (request, response) => {
    const old = !request.url!.startsWith(`/v${offered}/`)
    response
      .writeHead(old ? 400 : 200)
      .end(old ? '{"message":"client version 1.41 is too old. Minimum supported API version is 1.44"}' : '{}')
  }, () => offered)
  await client.json('GET', '/info')
  offered = '1.50'
  await assert.rejects(client.json('GET', '/info'), { kind: 'badRequest', message: /too old/ })
  assert.deepEqual(await client.json('GET', '/info'), {})
})

test('refusals keep the engine\'s sentence and get a kind', async (t) => {
  const cases: [number, string, string][] = [
    [404, 'No such container: x', 'notFound'],
    [409, 'Container x is not running', 'conflict'],
    [400, 'invalid mode', 'badRequest'],
    [500, 'driver failed: Bind for 0.0.0.0:80 failed: port is already allocated', 'conflict'],
    [500, 'write /x: no space left on device', 'unavailable'],
    [500, 'OCI runtime create failed: exec: "x": executable file not found in $PATH', 'badRequest'],
    [500, 'something else', 'internal'],
    [503, 'This node is not a swarm manager', 'unavailable'],
  ]
  let next = 0
  const { client } = await scripted(t, (_request, response) => {
    const [status, message] = cases[next]!
    response.writeHead(status).end(JSON.stringify({ message }))
  })
  for (; next < cases.length; next++) {
    const [, message, kind] = cases[next]!
    await assert.rejects(client.json('GET', '/x'), { kind, message })
  }
})

test('a refusal without JSON is still told', async (t) => {
  const { client } = await scripted(t, (_request, response) => { response.writeHead(502).end('') })
  await assert.rejects(client.json('GET', '/x'), { kind: 'internal', message: /502 without a reason/ })
})

test('a read on a connection that was closed meanwhile is made again, a write is not', async (t) => {
  const seen: string[] = []
  const { client } = await scripted(t, (request, response) => {
    seen.push(request.method!)
    if (seen.length === 1 || request.method === 'POST') request.socket.destroy()
    else response.end('{}')
  })
  assert.deepEqual(await client.json('GET', '/x'), {})
  await assert.rejects(client.json('POST', '/x'), { kind: 'unavailable' })
  assert.deepEqual(seen, ['GET', 'GET', 'POST'])
})

test('an answer that breaks off is unavailable, not half an answer', async (t) => {
  const { client } = await scripted(t, (request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{"half":')
    setImmediate(() => request.socket.destroy())
  })
  await assert.rejects(client.json('GET', '/x'), { kind: 'unavailable' })
})

test('an abort ends the call as an abort', async (t) => {
  const leave = new AbortController()
  const { client } = await scripted(t, () => { leave.abort() })
  await assert.rejects(client.json('GET', '/x', { signal: leave.signal }), { name: 'AbortError' })
})

test('an upgrade gives a stream, with what came in the same packet; a refused one its reason', async (t) => {
  const { client, server } = await scripted(t, (_request, response) => {
    response.writeHead(409).end('{"message":"Container x is not running"}')
  })
  await assert.rejects(client.hijack('/exec/x/start', {}), { kind: 'conflict', message: /not running/ })
  server.on('upgrade', (_request, socket) => { socket.end(`${upgraded}hello`) })
  assert.equal(await text(await client.hijack('/exec/x/start', {})), 'hello')
})

test('an engine on TCP', async (t) => {
  const server = createServer((request, response) => {
    response.setHeader('Api-Version', '1.41').end(JSON.stringify(request.url))
  })
  server.on('upgrade', (_request, socket) => {
    socket.end(`${upgraded}hello`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = new EngineClient({ host: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` })
  t.after(async () => { await client.close(); server.close() })
  assert.equal(await client.json('GET', '/info'), '/v1.41/info')
  assert.equal(await text(await client.hijack('/x', {})), 'hello')
})

test('something that is no engine is refused', async (t) => {
  const { client } = await scripted(t, (_request, response) => { response.end() }, () => 'nonsense')
  await assert.rejects(client.json('GET', '/x'), { kind: 'unsupported', message: /no Docker Engine/ })
})
