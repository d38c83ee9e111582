/** What every bus must do, as tests: each implementation runs the same suite. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { conflict, isRefusal } from '#platform/errors/errors.ts'
import type { Bus } from './bus.ts'

export interface BusUnderTest {
  name: string
  /** Two ends of one bus: the same object for a bus within a process. */
  open(): Promise<{ near: Bus; far: Bus; close(): Promise<void> }>
}

/** Collects messages and tells when there are `wanted` of them. */
function collector(wanted: number) {
  const got: { data: unknown; subject: string }[] = []
  const full = Promise.withResolvers<void>()
  const handler = (data: unknown, subject: string) => { if (got.push({ data, subject }) === wanted) full.resolve() }
  return { got, handler, full: full.promise }
}

export function busSuite({ name, open }: BusUnderTest): void {
  describe(`bus: ${name}`, () => {
    let near: Bus
    let far: Bus
    let close: () => Promise<void>
    before(async () => { ({ near, far, close } = await open()) })
    after(() => close())

    /** A subscription of the far end is in place when its flush has come back. */
    const send = async (subjects: string[]) => {
      await far.flush()
      for (const [n, subject] of subjects.entries()) near.publish(subject, { n })
      await near.flush()
    }

    test('delivers in order, with the subject, as copies', async () => {
      const { got, handler, full } = collector(2)
      const subscription = far.subscribe('order.made', handler)
      await send(['order.made', 'order.made'])
      await full
      subscription.unsubscribe()
      assert.deepEqual(got, [{ data: { n: 0 }, subject: 'order.made' }, { data: { n: 1 }, subject: 'order.made' }])
    })

    test('* is one word, > is one or more at the end', async () => {
      const star = collector(2)
      const tail = collector(3)
      const subscriptions = [far.subscribe('wild.*.done', star.handler), far.subscribe('wild.>', tail.handler)]
      await send(['wild.a.done', 'wild', 'wild.b', 'wilder.a.done', 'wild.c.done'])
      await Promise.all([star.full, tail.full])
      for (const subscription of subscriptions) subscription.unsubscribe()
      assert.deepEqual(star.got.map(({ subject }) => subject), ['wild.a.done', 'wild.c.done'])
      assert.deepEqual(tail.got.map(({ subject }) => subject), ['wild.a.done', 'wild.b', 'wild.c.done'])
    })

    test('every subscriber gets every message', async () => {
      const collectors = [collector(1), collector(1)]
      const subscriptions = collectors.map(({ handler }) => far.subscribe('all.ears', handler))
      await send(['all.ears'])
      await Promise.all(collectors.map(({ full }) => full))
      for (const subscription of subscriptions) subscription.unsubscribe()
      assert.deepEqual(collectors.map(({ got }) => got.length), [1, 1])
    })

    test('publish returns before a handler is called', async () => {
      const { got, handler, full } = collector(1)
      const subscription = near.subscribe('later.on', handler)
      await near.flush()
      near.publish('later.on', 1)
      assert.deepEqual(got, [])
      await full
      subscription.unsubscribe()
      assert.deepEqual(got, [{ data: 1, subject: 'later.on' }])
    })

    test('nothing arrives after unsubscribing', async () => {
      const gone = collector(1)
      const stays = collector(1)
      far.subscribe('leave.now', gone.handler).unsubscribe()
      const subscription = far.subscribe('leave.now', stays.handler)
      await send(['leave.now'])
      await stays.full
      subscription.unsubscribe()
      assert.deepEqual(gone.got, [])
    })

    test('a handler that throws, at once or later, does not keep the next message from the others', async () => {
      const { handler, full, got } = collector(2)
      const subscriptions = [
        far.subscribe('rough.sea', () => { throw new Error('overboard') }),
        far.subscribe('rough.sea', async () => { throw new Error('overboard, slowly') }),
        far.subscribe('rough.sea', handler),
      ]
      await send(['rough.sea', 'rough.sea'])
      await full
      for (const subscription of subscriptions) subscription.unsubscribe()
      assert.equal(got.length, 2)
    })

    test('a request gets the answer, a copy', async () => {
      const responder = far.respond('ask.*', (data, subject) => ({ subject, got: data, at: undefined }))
      await far.flush()
      assert.deepEqual(await near.request('ask.me', { deep: [1, null, 'ü'] }, { timeoutMs: 5_000 }),
        { subject: 'ask.me', got: { deep: [1, null, 'ü'] } })
      responder.unsubscribe()
    })

    test('a responder\'s refusal arrives with its kind and details, another error with its message', async () => {
      const responders = [
        far.respond('refuse.kindly', () => { throw conflict('It is taken', { reason: 'taken' }) }),
        far.respond('refuse.badly', async () => { throw new Error('It broke') }),
      ]
      await far.flush()
      await assert.rejects(near.request('refuse.kindly', {}, { timeoutMs: 5_000 }),
        (error) => isRefusal(error) && error.kind === 'conflict' && error.message === 'It is taken'
          && error.details.reason === 'taken')
      await assert.rejects(
        near.request('refuse.badly', {}, { timeoutMs: 5_000 }), { name: 'Error', message: 'It broke' },
      )
      for (const responder of responders) responder.unsubscribe()
    })

    test('a request that nobody answers, or not in time, is refused as unavailable', async () => {
      await assert.rejects(near.request('nobody.home', {}, { timeoutMs: 5_000 }),
        (error) => isRefusal(error) && error.kind === 'unavailable' && error.details.reason === 'noResponder')
      const never = far.respond('never.answers', () => new Promise(() => undefined))
      await far.flush()
      await assert.rejects(near.request('never.answers', {}, { timeoutMs: 20 }),
        (error) => isRefusal(error) && error.kind === 'unavailable' && error.details.reason === 'timeout')
      never.unsubscribe()
    })

    test('of two responders, one answers each request', async () => {
      let asked = 0
      const responders = [near, far].map((bus) => bus.respond('share.work', () => { asked += 1; return 'done' }))
      await Promise.all([near.flush(), far.flush()])
      const answers = await Promise.all([1, 2, 3, 4].map(() => near.request('share.work', {}, { timeoutMs: 5_000 })))
      for (const responder of responders) responder.unsubscribe()
      assert.deepEqual(answers, ['done', 'done', 'done', 'done'])
      assert.equal(asked, 4)
    })

    test('bad subjects and patterns are refused at once', () => {
      for (const subject of ['', 'a..b', 'a.*', 'a.>', 'a b']) {
        assert.throws(() => near.publish(subject, {}), /not a subject/)
      }
      for (const pattern of ['', '.a', 'a.>.b', 'a b']) {
        assert.throws(() => near.subscribe(pattern, () => undefined), /not a pattern/)
      }
    })
  })
}
