/** Who can get in, who can listen, who can pretend: nobody without the token, nobody without the cloud's key. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { newKeyPair, openBox, sealBox } from './seal.ts'
import {
  CloudKeys,
  Greeting,
  linkKeys,
  readOpened,
  readOpening,
  readToken,
  sealOpened,
  sealOpening,
  type HelloReply,
} from './session.ts'

const introduction = { secret: 's', hostKey: 'k', name: 'north', address: '192.0.2.1', version: '1' }
const facts = { cloudId: 'cafe0000', tokenId: 't', openedAt: 1 }

const joined = (cloud = new CloudKeys(randomBytes(32))) => {
  const { cloudKey } = readToken(cloud.tokenText('s'))!
  const greeting = new Greeting(cloudKey)
  const hello = greeting.hello(introduction)
  const read = cloud.readHello(hello)!
  const reply = cloud.welcome(read, facts) as { box: string }
  return { cloud, greeting, hello, read, reply, session: greeting.session(reply.box)! }
}

test('a token names the secret and the key; what is no token is none', () => {
  const cloud = new CloudKeys(randomBytes(32))
  assert.equal(readToken(` ${cloud.tokenText('secret')}\n`)?.secret, 'secret')
  for (const text of ['', 'qst1', 'qst1.a', 'qst2.a.b', 'a.b.c']) assert.equal(readToken(text), undefined, text)
})

test('both sides come to the same session, and every process of the cloud can read its beats', () => {
  const masterKey = randomBytes(32)
  const { session } = joined(new CloudKeys(masterKey))
  const read = new CloudKeys(masterKey).readBeat(session.beat('/run/netns/x-NETWORK-ID'))
  assert.equal(read?.ticket.host, 'north')
  assert.equal(read?.body.count, 1)
  assert.deepEqual(Buffer.from(read!.ticket.key, 'base64'), session.key)
})

test('another cloud, a stranger and a forger read nothing and are believed nothing', () => {
  const { hello, session, greeting } = joined()
  const other = new CloudKeys(randomBytes(32))
  assert.equal(other.readHello(hello), undefined)
  assert.equal(other.readHello({ ...hello, key: 'no key' }), undefined)
  assert.equal(other.readBeat(session.beat('')), undefined)
  assert.equal(other.readBeat({}), undefined)
  const forged: HelloReply = { box: sealBox(randomBytes(32), 'welcome', { sessionId: 'x' }) }
  assert.equal(greeting.session(forged.box), undefined)
})

test('a beat of one agent with the ticket of another is no beat', () => {
  const cloud = new CloudKeys(randomBytes(32))
  const [north, south] = [joined(cloud).session, joined(cloud).session]
  assert.equal(cloud.readBeat({ ...north.beat(''), ticket: south.welcome.ticket }), undefined)
})

test('a hello that is sent again opens another session, whose key the sender does not have', () => {
  const { cloud, hello, session } = joined()
  const again = cloud.welcome(cloud.readHello(hello)!, facts) as { box: string }
  const stranger = new Greeting(newKeyPair().publicKey)
  assert.equal(stranger.session(again.box), undefined)
  assert.ok(cloud.readBeat(session.beat('')), 'the first session goes on')
})

test('a link has keys of its own: each opening adds what both sides drew', () => {
  const { session } = joined()
  const opening = { linkId: 'l', salt: 'a', caller: 'c' }
  assert.deepEqual(readOpening(session.key, sealOpening(session.key, opening)), opening)
  assert.equal(readOpening(randomBytes(32), sealOpening(session.key, opening)), undefined)
  assert.equal(readOpened(session.key, 'another', sealOpened(session.key, 'l', 'b')), undefined)
  const [one, two] = [linkKeys(session.key, 'a', 'b'), linkKeys(session.key, 'a', 'c')]
  assert.notDeepEqual(one.toAgent, two.toAgent)
  assert.notDeepEqual(one.toAgent, one.toCloud)
})

test('a box opens only whole, with its key, as what it is', () => {
  const key = randomBytes(32)
  const box = sealBox(key, 'a letter', { text: 'x' })
  assert.deepEqual(openBox(key, 'a letter', box), { text: 'x' })
  const damaged = Buffer.from(box, 'base64url')
  damaged[20]! ^= 1
  for (const wrong of [undefined, '', 'short', damaged.toString('base64url')])
    assert.equal(openBox(key, 'a letter', wrong), undefined)
  assert.equal(openBox(key, 'a bill', box), undefined)
})
