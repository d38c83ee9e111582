/** For tests: the two ends of a link in one process, each message a text on a bus. */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Bus } from '#platform/bus/bus.ts'
import { createMemoryBus } from '#platform/bus/memory-bus.ts'
import { systemClock, type Clock } from '#platform/clock/clock.ts'
import { silentLog } from '#platform/log/log.ts'
import { Link, type Serve } from './link.ts'

export interface LinkedPair {
  near: Link
  far: Link
  bus: Bus
  /** Everything that went over the bus. */
  texts: string[]
  close(): Promise<void>
}

const nothing: Serve = () => Promise.reject(new Error('nobody serves here'))

/** `far` serves; `near` asks. */
export function linkedPair(serve: Serve, options: { clock?: Clock; nearServes?: Serve } = {}): LinkedPair {
  const { clock = systemClock, nearServes = nothing } = options
  const bus = createMemoryBus()
  const [a, b] = [randomBytes(32), randomBytes(32)]
  const id = randomUUID()
  const texts: string[] = []
  const ends = { clock, log: silentLog }
  const sendTo = (end: string) => (text: string) => {
    texts.push(text)
    bus.publish(`${id}.${end}`, text)
  }
  const near = new Link({
    ...ends,
    keys: { toThem: a, toUs: b },
    send: sendTo('far'),
    serve: nearServes,
    peer: 'far',
  })
  const far = new Link({ ...ends, keys: { toThem: b, toUs: a }, send: sendTo('near'), serve, peer: 'near' })
  bus.subscribe(`${id}.near`, (text) => near.receive(text))
  bus.subscribe(`${id}.far`, (text) => far.receive(text))
  const close = async () => {
    near.close('the test is over')
    far.close('the test is over')
    await bus.flush()
    await bus.close()
  }
  return { near, far, bus, texts, close }
}
