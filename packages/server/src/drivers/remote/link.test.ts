/** What a link promises: whole values both ways, refusals with their kinds, and a clear end when it breaks. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { ManualClock } from '#platform/clock/clock.ts'
import { conflict, isRefusal } from '#platform/errors/errors.ts'
import { linkedPair } from './testing.ts'

const isLinkEnd = (error: unknown): boolean =>
  isRefusal(error) && error.kind === 'unavailable' && error.details.reason === 'link'

/** Lets everything that is under way in this process happen. */
const settle = async (): Promise<void> => {
  for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve))
}

test('values arrive as they were: bytes, gaps, marks of our own, and more than one message holds', async () => {
  const pair = linkedPair(async (_method, args) => args)
  const value = {
    bytes: randomBytes(1_000_000),
    list: [undefined, null, 'ü', { $: ['reference', { kind: 'function', id: 1 }] }],
    left: undefined,
    labels: { $: 'x', __proto__x: 'y' },
  }
  const [answer, last] = (await pair.near.call('echo', [value, undefined])) as [typeof value, undefined]
  assert.deepEqual(answer, { bytes: value.bytes, list: value.list, labels: value.labels })
  assert.equal(last, undefined)
  await pair.close()
})

test('nothing of what travels can be read on the bus', async () => {
  const pair = linkedPair(async () => 'the answer is a secret')
  await pair.near.call('ask', ['the question is a secret'])
  assert.ok(pair.texts.length >= 2)
  for (const text of pair.texts) {
    const bytes = Buffer.from(text.split('.')[1]!, 'base64').toString('latin1')
    assert.doesNotMatch(bytes, /secret/)
  }
  await pair.close()
})

test('a refusal keeps its kind and details through a callback and back', async () => {
  const pair = linkedPair(async (_method, [ask]) => (ask as () => Promise<unknown>)())
  const refuse = () => {
    throw conflict('It is taken', { reason: 'taken' })
  }
  await assert.rejects(
    pair.near.call('call back', [refuse]),
    (error) => isRefusal(error) && error.kind === 'conflict' && error.details.reason === 'taken',
  )
  await pair.close()
})

test('streams travel both ways, and one that is not wanted any more is closed at its source', async () => {
  const source = new Readable({
    read() {
      this.push(randomBytes(1000))
    },
  })
  const pair = linkedPair(async (method, [stream]) =>
    method === 'count' ? (await buffer(stream as Readable)).length : source,
  )
  const big = randomBytes(700_001)
  for (const stream of [Readable.from([big]), Readable.from(big)])
    assert.equal(await pair.near.call('count', [stream]), big.length)
  const answering = linkedPair(async () => Readable.from(big))
  assert.equal((await buffer((await answering.near.call('get', [])) as Readable)).length, big.length)
  await answering.close()
  const endless = (await pair.near.call('open', [])) as Readable
  await once(endless, 'readable')
  const closed = once(source, 'close')
  endless.destroy()
  await closed
  await pair.close()
})

test('a stream that breaks at its source breaks at its reader, with the reason', async () => {
  const pair = linkedPair(async (_method, [stream]) => (await buffer(stream as Readable)).length)
  const broken = new Readable({
    read() {
      this.destroy(conflict('The disk is gone'))
    },
  })
  await assert.rejects(pair.near.call('count', [broken]), /The disk is gone/)
  await pair.close()
})

test('what a stranger says, or says again, changes nothing', async () => {
  const heard: unknown[] = []
  const pair = linkedPair(async (_method, args) => heard.push(args[0]))
  await pair.near.call('tell', ['once'])
  for (const text of [...pair.texts]) {
    pair.far.receive(text)
    pair.near.receive(text)
  }
  pair.far.receive(`${1000}.${randomBytes(60).toString('base64')}`)
  pair.far.receive({ not: 'a text' })
  await pair.near.call('tell', ['twice'])
  assert.deepEqual(heard, ['once', 'twice'])
  await pair.close()
})

test('a lost message ends the link on both sides: what was under way fails as unavailable', async () => {
  const pair = linkedPair(() => new Promise(() => undefined))
  const asking = assert.rejects(pair.near.call('wait', []), isLinkEnd)
  await settle()
  const [last] = pair.texts.slice(-1)
  assert.ok(last)
  pair.far.receive(last.replace(/^\d+/, '7')) // not sealed as number 7: ignored
  assert.equal(pair.far.ended.aborted, false)
  const deaf = pair.far.receive.bind(pair.far)
  pair.far.receive = () => undefined
  void pair.near.call('lost', []).catch(() => undefined)
  await settle()
  pair.far.receive = deaf
  void pair.near.call('next', []).catch(() => undefined)
  await asking
  assert.ok(pair.far.ended.aborted)
  await pair.close()
})

test('silence ends a link; a process that was busy itself does not take that for silence', async () => {
  const clock = new ManualClock()
  const pair = linkedPair(async () => 'here', { clock })
  clock.advance(600_000)
  await settle()
  assert.equal(await pair.near.call('ask', []), 'here')
  pair.far.receive = () => undefined
  pair.near.receive = () => undefined
  const asking = assert.rejects(pair.near.call('ask', []), isLinkEnd)
  for (let round = 0; round < 7; round++) {
    clock.advance(2_000)
    await settle()
  }
  await asking
  await assert.rejects(pair.near.call('ask', []), isLinkEnd)
  await pair.close()
})

test('when the link ends, signals abort and streams break on the other side', async () => {
  const seen: { signal?: AbortSignal; stream?: Readable } = {}
  const pair = linkedPair(async (_method, [signal, stream]) => {
    Object.assign(seen, { signal, stream })
    await new Promise(() => undefined)
  })
  const asking = assert.rejects(
    pair.near.call('hold', [new AbortController().signal, new Readable({ read() {} })]),
    isLinkEnd,
  )
  await settle()
  const broke = once(seen.stream!, 'error')
  seen.stream!.resume()
  pair.near.close('enough')
  await asking
  const [reason] = await broke
  assert.match(String(reason), /enough/)
  assert.ok(seen.signal?.aborted)
  await pair.close()
})
