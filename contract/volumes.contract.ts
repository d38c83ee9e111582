/** Volumes by the official client: attached to running containers, kept through everything, and freed. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Cloud, openstack, openstackText } from './support/cloud.ts'
import { eventually } from './support/eventually.ts'
import { Inside } from './support/inside.ts'
import { runProgram } from './support/run-program.ts'

const tag = randomUUID().slice(0, 8)
const named = (noun: string): string => `${noun}-${tag}`
const [first, second] = [named('one'), named('two')]
const data = named('data')
const patience = { timeoutMs: 120_000, everyMs: 500 }
const root = join(import.meta.dirname, '..')

let cloud: Cloud

const demo = <T>(...args: string[]): Promise<T> => openstack<T>(cloud, 'quaystone', ...args)
const plain = (...args: string[]): Promise<string> => openstackText(cloud, 'quaystone', ...args)
const inside = (server: string): Inside => new Inside(cloud, server)

const volumeIs = (name: string, status: string) =>
  eventually(patience, async () => {
    const volume = await demo<{ id: string; status: string; size: number }>('volume', 'show', name)
    assert.equal(volume.status, status)
    return volume
  })
const serverIs = (name: string, status: string) =>
  eventually(patience, async () => {
    const server = await demo<{ id: string; status: string; fault?: unknown }>('server', 'show', name)
    assert.equal(server.status, status, JSON.stringify(server.fault))
    return server
  })
/** Of the file system, as the container sees it. */
const kibibytesOf = async (server: string, path: string): Promise<number> =>
  Number((await inside(server).says('df', '-k', path)).split('\n').at(-1)!.split(/\s+/)[1])
const goes = (...args: string[]) =>
  eventually(patience, async () => {
    const listed = await demo<{ Name: string }[]>(...args)
    assert.ok(!listed.some(({ Name }) => Name.endsWith(tag)))
  })
const boot = async (name: string, ...more: string[]) => {
  const what = ['--image', 'busybox', '--flavor', 'm1.nano', '--network', 'private', ...more]
  await demo('server', 'create', ...what, name)
  await serverIs(name, 'ACTIVE')
}

before(async () => {
  cloud = await Cloud.start()
  await eventually(patience, async () => assert.ok((await demo<unknown[]>('image', 'list')).length > 0))
})

after(async () => {
  await cloud?.destroy()
})

describe('a volume and a running server', () => {
  test('it is attached, mounted where the host puts it, and of the size asked for', async () => {
    await boot(first)
    await demo('volume', 'create', '--size', '1', data)
    await volumeIs(data, 'available')
    await plain('server', 'add', 'volume', first, data)
    await volumeIs(data, 'in-use')
    const mounted = await inside(first).says('grep', '/mnt/volumes/vdb', '/proc/mounts')
    assert.match(mounted, /ext4 rw,nosuid,nodev/)
    const kibibytes = await kibibytesOf(first, '/mnt/volumes/vdb')
    assert.ok(kibibytes > 900 * 1024 && kibibytes <= 1024 * 1024, `${kibibytes} KiB`)
    await assert.rejects(inside(first).says('touch', '/mnt/volumes/stray'), /Read-only/)
  })

  test('what is written stays through a reboot and a kill -9 of the cloud', async () => {
    await inside(first).says('sh', '-c', 'echo kept >/mnt/volumes/vdb/note; sync')
    await plain('server', 'reboot', '--hard', '--wait', first)
    assert.equal(await inside(first).says('cat', '/mnt/volumes/vdb/note'), 'kept')
    await cloud.kill()
    assert.equal(await inside(first).says('cat', '/mnt/volumes/vdb/note'), 'kept')
    await cloud.up()
    await volumeIs(data, 'in-use')
    await plain('server', 'stop', first)
    await serverIs(first, 'SHUTOFF')
    await plain('server', 'start', first)
    await serverIs(first, 'ACTIVE')
    assert.equal(await inside(first).says('cat', '/mnt/volumes/vdb/note'), 'kept')
  })

  test('it grows while it is attached, at the latest when its server is next attached to it', async () => {
    await openstackText(cloud, 'quaystone', '--os-volume-api-version', '3.42', 'volume', 'set', '--size', '2', data)
    await eventually(patience, async () => {
      assert.equal((await demo<{ size: number }>('volume', 'show', data)).size, 2)
    })
    const device = (await inside(first).says('grep', '/mnt/volumes/vdb', '/proc/mounts')).split(' ')[0]!
    assert.equal(execFileSync('blockdev', ['--getsize64', device], { encoding: 'utf8' }).trim(), String(2 * 2 ** 30))
  })

  test('while a program uses it, it stays attached; then it goes to another server with its data', async () => {
    await inside(first).says('sh', '-c', '(cd /mnt/volumes/vdb && exec sleep 600) >/dev/null 2>&1 &')
    await plain('server', 'remove', 'volume', first, data)
    const { id } = await demo<{ id: string }>('server', 'show', first)
    await eventually(patience, async () => {
      const events = await demo<{ Action: string }[]>('server', 'event', 'list', id)
      assert.equal(events[0]!.Action, 'detach_volume')
      await volumeIs(data, 'in-use')
    })
    await inside(first).says('killall', 'sleep')
    await eventually(patience, async () => {
      if ((await demo<{ status: string }>('volume', 'show', data)).status === 'in-use')
        await plain('server', 'remove', 'volume', first, data)
      assert.equal((await demo<{ status: string }>('volume', 'show', data)).status, 'available')
    })
    await assert.rejects(inside(first).says('cat', '/mnt/volumes/vdb/note'))
    await boot(second)
    await plain('server', 'add', 'volume', second, data, '--device', '/dev/vdc')
    await volumeIs(data, 'in-use')
    assert.equal(await inside(second).says('cat', '/mnt/volumes/vdc/note'), 'kept')
    const kibibytes = await kibibytesOf(second, '/mnt/volumes/vdc')
    assert.ok(kibibytes > 1900 * 1024, `${kibibytes} KiB: the file system grew with its volume`)
  })

  test('a raw device is there when the volume asks for one', async () => {
    const raw = named('raw')
    await demo('volume', 'create', '--size', '1', '--property', 'docker:mount=no', raw)
    await volumeIs(raw, 'available')
    await plain('server', 'add', 'volume', first, raw)
    await volumeIs(raw, 'in-use')
    await inside(first).says('dd', 'if=/etc/hostname', 'of=/dev/vdb', 'conv=notrunc')
    assert.match(await inside(first).says('head', '-c', '20', '/dev/vdb'), new RegExp(first.slice(0, 12)))
    await plain('server', 'remove', 'volume', first, raw)
    await volumeIs(raw, 'available')
    await assert.rejects(inside(first).says('head', '-c', '1', '/dev/vdb'))
    await plain('volume', 'delete', raw)
  })

  test('a server takes its volumes along only when told to', async () => {
    const third = named('three')
    const kept = named('kept')
    await demo('volume', 'create', '--size', '1', kept)
    await volumeIs(kept, 'available')
    const { id } = await demo<{ id: string }>('volume', 'show', kept)
    const own = 'source_type=blank,destination_type=volume,volume_size=1,delete_on_termination=true,boot_index=-1'
    const given = `source_type=volume,destination_type=volume,uuid=${id},boot_index=-1`
    await boot(third, '--block-device', given, '--block-device', own)
    const mounts = await inside(third).says('grep', '/mnt/volumes/', '/proc/mounts')
    assert.match(mounts, /\/mnt\/volumes\/vdb /)
    assert.match(mounts, /\/mnt\/volumes\/vdc /)
    const attached = await demo<unknown[]>('server', 'volume', 'list', third)
    assert.equal(attached.length, 2)
    await plain('server', 'delete', '--wait', third)
    await volumeIs(kept, 'available')
    await eventually(patience, async () => {
      const names = (await demo<{ ID: string }[]>('volume', 'list')).map((volume) => volume.ID)
      assert.equal(names.length, 2, 'the server took its own volume along')
    })
    await plain('volume', 'delete', kept)
  })

  test('a server cannot boot from a volume, and is told what to do', async () => {
    const { id } = await demo<{ id: string }>('volume', 'create', '--size', '1', named('boot'))
    await volumeIs(named('boot'), 'available')
    const asked = ['server', 'create', '--volume', id, '--flavor', 'm1.nano', '--network', 'private', named('no')]
    await assert.rejects(plain(...asked), /cannot boot from a volume/)
    await plain('volume', 'delete', id)
  })
})

describe('nothing is left', () => {
  test('servers and volumes are deleted, and no loop device stays', async () => {
    for (const server of [first, second]) await plain('server', 'delete', '--wait', server)
    await volumeIs(data, 'available')
    await plain('volume', 'delete', data)
    await goes('volume', 'list')
    await eventually(patience, async () => {
      assert.deepEqual((await cloud.leftovers()).filter((name) => /^(loop|container)/.test(name)), [])
    })
  })

  test('doctor finds a file and a loop device of nobody, and takes them away', async () => {
    const volumes = join(cloud.dataDir, 'volumes')
    const files = join(volumes, readdirSync(volumes)[0]!, 'files')
    const stray = join(files, `${randomUUID()}.volume`)
    writeFileSync(stray, '')
    truncateSync(stray, 2 ** 20)
    execFileSync('losetup', ['--find', stray])
    const doctor = (...flags: string[]) => doctorSays(...flags)
    assert.match(await doctor(), new RegExp(stray.slice(-20, -'.volume'.length)))
    await doctor('--reap')
    assert.ok(!existsSync(stray))
    assert.deepEqual((await cloud.leftovers()).filter((name) => name.startsWith('loop')), [])
    assert.doesNotMatch(await doctor(), /leak\s+volume/)
  })
})

/** It exits with 1 when it finds something, which is no failure here. */
async function doctorSays(...flags: string[]): Promise<string> {
  const args = ['doctor', '--data-dir', cloud.dataDir, ...flags]
  const env = { ...process.env }
  return await runProgram({ command: join(root, 'quaystone'), args, env, cwd: cloud.directory }).catch(
    (error: Error) => error.message,
  )
}
