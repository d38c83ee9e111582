/** When sockets are opened and closed: files stand for namespaces, and the sockets only say what becomes of them. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import { ManualClock } from '#platform/clock/clock.ts'
import { silentLog } from '#platform/log/log.ts'
import type { WantedNetwork } from '#services/neutron/ports.ts'
import { AnswersKeeper } from './answers-keeper.ts'
import { Forwarder } from './forwarder.ts'
import { MetadataDoor } from './metadata-door.ts'
import type { OpenSocket, SocketAsk } from './namespace-sockets.ts'

const directory = mkdtempSync(join(tmpdir(), 'quaystone-answers-'))
after(() => rmSync(directory, { recursive: true }))

class FakeSocket extends EventEmitter {
  isOpen = true
  maxConnections = 0
  unref(): void {}
  close(): void {
    this.isOpen = false
  }
}

interface Opened {
  netns: string
  asks: SocketAsk[]
  sockets: FakeSocket[]
}

const clock = new ManualClock()
let opened: Opened[]
let failures: number
let keeper: AnswersKeeper
/** Called in the middle of an opening. */
let meanwhile: () => void

const pathOf = (id: string): string => join(directory, id)
/** A namespace of that name, and not the one that was there before. */
const makeNamespace = (id: string): void => {
  writeFileSync(pathOf(`${id}.new`), '')
  renameSync(pathOf(`${id}.new`), pathOf(id))
}

const network = (id: string, rest: Partial<WantedNetwork> = {}): WantedNetwork => ({
  id,
  segmentationId: 1,
  mtu: 1500,
  external: false,
  subnets: [],
  hostAddresses: [{ cidr: '10.0.0.2/24' }, { cidr: '169.254.169.254/32' }],
  remotes: [],
  names: [],
  ...rest,
})

const openOf = (id: string): Opened[] =>
  opened.filter(({ netns, sockets }) => netns === pathOf(id) && sockets.some(({ isOpen }) => isOpen))

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

beforeEach(() => {
  opened = []
  failures = 0
  meanwhile = () => undefined
  for (const id of ['blue', 'red', 'green']) makeNamespace(id)
  keeper = new AnswersKeeper({
    namespaceOf: pathOf,
    openSockets: async (netns, asks) => {
      meanwhile()
      if (failures-- > 0) throw new Error('no such address yet')
      const sockets = asks.map(() => new FakeSocket())
      opened.push({ netns, asks, sockets })
      return asks.map((ask, at) => ({ ...ask, socket: sockets[at] }) as unknown as OpenSocket)
    },
    metadata: new MetadataDoor(() => Promise.reject(new Error('nobody asks')), silentLog),
    resolving: {
      forwarder: new Forwarder(clock, () => Promise.reject(new Error('nobody answers'))),
      hostUpstreams: () => [],
    },
    clock,
    log: silentLog,
  })
})

describe('a network is answered', () => {
  test('at each of its addresses, and metadata at its own only', async () => {
    keeper.learnAll([network('blue')])
    await settled()
    assert.deepEqual(keeper.open, ['blue'])
    assert.deepEqual(
      opened[0]!.asks.map(({ kind, address, port }) => `${kind} ${address} ${port}`),
      [
        'tcp 169.254.169.254 80',
        'tcp 10.0.0.2 53',
        'tcp 169.254.169.254 53',
        'udp 10.0.0.2 53',
        'udp 169.254.169.254 53',
      ],
    )
  })

  test('once, however often it is heard of; an external one never', async () => {
    keeper.learn(network('blue'))
    keeper.learn(network('blue'))
    keeper.learnAll([network('blue'), network('green', { external: true })])
    await settled()
    keeper.learn(network('blue'))
    await settled()
    assert.equal(opened.length, 1)
  })

  test('again when its addresses change, and the old sockets are closed', async () => {
    keeper.learnAll([network('blue')])
    await settled()
    keeper.learnAll([network('blue', { hostAddresses: [{ cidr: '10.0.0.3/24' }] })])
    await settled()
    assert.equal(opened.length, 2)
    assert.deepEqual(openOf('blue'), [opened[1]!])
  })

  test('again when its namespace was made anew', async () => {
    keeper.learnAll([network('blue')])
    await settled()
    makeNamespace('blue')
    keeper.letGo(new Set(['blue']))
    assert.deepEqual(openOf('blue'), [])
    keeper.learnAll([network('blue')])
    await settled()
    assert.equal(openOf('blue').length, 1)
  })

  test('when its address is there at last', async () => {
    failures = 3
    keeper.learnAll([network('blue')])
    while (keeper.open.length === 0) {
      await settled()
      clock.advance(60_000)
    }
    assert.equal(openOf('blue').length, 1)
  })
})

describe('a network goes', () => {
  test('its sockets are closed before its namespace is removed: they would hold it', async () => {
    keeper.learnAll([network('blue'), network('red')])
    await settled()
    keeper.letGo(new Set(['red']))
    assert.deepEqual([openOf('blue').length, openOf('red').length], [0, 1])
    rmSync(pathOf('blue'))
    keeper.learnAll([network('red')])
    await settled()
    assert.deepEqual(keeper.open, ['red'])
  })

  test('one that was plugged a moment ago and is in no list yet keeps its answers', async () => {
    keeper.learn(network('blue'))
    await settled()
    keeper.letGo(new Set())
    keeper.learnAll([])
    await settled()
    assert.equal(openOf('blue').length, 1)
  })

  test('while its sockets are being opened: nothing stays open', async () => {
    meanwhile = () => {
      rmSync(pathOf('blue'), { force: true })
      keeper.letGo(new Set())
      keeper.learnAll([])
    }
    keeper.learn(network('blue'))
    await settled()
    assert.deepEqual([keeper.open, openOf('blue')], [[], []])
  })

  test('with the keeper, all are closed, and none is opened later', async () => {
    keeper.learnAll([network('blue'), network('red'), network('green')])
    await settled()
    keeper.close()
    keeper.learnAll([network('blue')])
    await settled()
    assert.deepEqual(openOf('blue').length + openOf('red').length + openOf('green').length, 0)
  })
})
