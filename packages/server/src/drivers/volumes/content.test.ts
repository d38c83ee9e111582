/** What a volume holds is read off its first bytes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readHead } from './content.ts'
import { parseMounts, mountUnder } from './mounts.ts'

test('an ext file system tells its size, below and above 2^32 blocks', () => {
  const head = Buffer.alloc(4096)
  head.writeUInt16LE(0xef53, 1024 + 0x38)
  head.writeUInt32LE(2, 1024 + 0x18)
  head.writeUInt32LE(1000, 1024 + 0x4)
  assert.deepEqual(readHead(head), { kind: 'filesystem', type: 'ext4', sizeBytes: 4_096_000 })
  head.writeUInt32LE(1, 1024 + 0x150)
  assert.deepEqual(readHead(head), { kind: 'filesystem', type: 'ext4', sizeBytes: 4_096_000 }, 'no 64bit flag')
  head.writeUInt32LE(0x80, 1024 + 0x60)
  assert.deepEqual(readHead(head), { kind: 'filesystem', type: 'ext4', sizeBytes: (2 ** 32 + 1000) * 4096 })
})

test('an XFS file system tells its size', () => {
  const head = Buffer.alloc(4096)
  head.write('XFSB', 0, 'latin1')
  head.writeUInt32BE(4096, 4)
  head.writeBigUInt64BE(5n, 8)
  assert.deepEqual(readHead(head), { kind: 'filesystem', type: 'xfs', sizeBytes: 20_480 })
})

test("anything else is its owner's", () => {
  assert.deepEqual(readHead(Buffer.alloc(4096)), { kind: 'other' })
})

test('mounts are read with their propagation and odd names; the deepest one covers a path', () => {
  const mounts = parseMounts(
    '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n' +
      '90 22 7:3 / /srv/a\\040b rw,nodev shared:5 master:1 - ext4 /dev/loop3 rw\n',
  )
  assert.deepEqual(mounts[1], {
    point: '/srv/a b',
    device: '7:3',
    propagation: ['shared:5', 'master:1'],
    source: '/dev/loop3',
  })
  assert.equal(mountUnder('/srv/a b/c', mounts)?.device, '7:3')
  assert.equal(mountUnder('/srv/a bc', mounts)?.device, '254:0')
})
