/** For tests: the two ends of a link in one process, each message a text on a bus, one for both or one for each. */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Bus } from '#platform/bus/bus.ts'
import { createMemoryBus } from '#platform/bus/memory-bus.ts'
import { systemClock, type Clock } from '#platform/clock/clock.ts'
import { silentLog } from '#platform/log/log.ts'
import { Link, type Serve } from './link.ts'

export interface LinkedPair {
  near: Link
  far: Link
  /** Everything that went over the bus. */
  texts: string[]
  close(): Promise<void>
}

const nothing: Serve = () => Promise.reject(new Error('nobody serves here'))

const alone = (): { near: Bus; far: Bus } => {
  const bus = createMemoryBus()
  return { near: bus, far: bus }
}

/** `far` serves; `near` asks. */
export function linkedPair(
  serve: Serve,
  options: { clock?: Clock; buses?: { near: Bus; far: Bus } } = {},
): LinkedPair {
  const { clock = systemClock, buses = alone() } = options
  const [a, b] = [randomBytes(32), randomBytes(32)]
  const id = randomUUID()
  const texts: string[] = []
  const ends = { clock, log: silentLog }
  const sendTo = (bus: Bus, end: string) => (text: string) => {
    texts.push(text)
    bus.publish(`${id}.${end}`, text)
  }
  const near = new Link({
    ...ends,
    keys: { toThem: a, toUs: b },
    send: sendTo(buses.near, 'far'),
    serve: nothing,
    peer: 'far',
  })
  const far = new Link({
    ...ends,
    keys: { toThem: b, toUs: a },
    send: sendTo(buses.far, 'near'),
    serve,
    peer: 'near',
  })
  buses.near.subscribe(`${id}.near`, (text) => near.receive(text))
  buses.far.subscribe(`${id}.far`, (text) => far.receive(text))
  const close = async () => {
    near.close('the test is over')
    far.close('the test is over')
    for (const bus of new Set([buses.near, buses.far])) {
      await bus.flush()
      await bus.close()
    }
  }
  return { near, far, texts, close }
}
