/** Containers of a dead cloud are found on the engine by their label and removed; a living cloud's stay. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { systemClock } from '#platform/clock/clock.ts'
import { labels } from '#services/workloads/ports.ts'
import { noteCloud, tagOf } from './known-clouds.ts'
import { machineHoldings } from './machine-holdings.ts'

const run = promisify(execFile)
const nobody = 4_194_305
const socketPath = (process.env['DOCKER_HOST'] ?? '/var/run/docker.sock').replace(/^unix:\/\//, '')
const docker = async (...command: string[]): Promise<string> => (await run('docker', command)).stdout.trim()

const freshCloud = (dataDir: string) => ({ cloudId: randomBytes(4).toString('hex'), dataDir, pid: nobody })

test('the dead lose their containers, the living keep theirs', async () => {
  const notes = mkdtempSync(join(tmpdir(), 'quaystone-notes-'))
  const [dead, alive] = [freshCloud(join(notes, 'gone')), freshCloud(notes)]
  const image = `quaystone-test-holdings:${dead.cloudId}`
  await run('sh', ['-c', `tar -C /bin -c busybox | docker import - ${image}`])
  const container = (cloudId: string) =>
    docker('create', '--network', 'none', '--label', `${labels.cloud}=${cloudId}`, image, '/busybox', 'true')
  const machine = machineHoldings({ clock: systemClock, socketPath, notes })
  const made = [await container(dead.cloudId), await container(alive.cloudId)]
  try {
    for (const cloud of [dead, alive]) noteCloud(cloud, notes)
    const of = async ({ cloudId }: { cloudId: string }) =>
      (await machine.list()).find(({ tag }) => tag === tagOf({ cloudId }))
    const holding = await of(dead)
    assert.deepEqual([holding?.life, holding?.things], ['dead', [{ kind: 'container', name: made[0] }]])
    assert.equal((await of(alive))?.life, 'stopped')
    await machine.reap(holding!)
    await machine.reap(holding!)
    assert.equal(await of(dead), undefined)
    assert.deepEqual((await of(alive))?.things, [{ kind: 'container', name: made[1] }])
  } finally {
    await machine.close()
    await docker('rm', '-f', ...made).catch(() => undefined)
    await docker('rmi', image)
    rmSync(notes, { recursive: true })
  }
})
