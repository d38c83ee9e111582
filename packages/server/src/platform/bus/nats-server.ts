/** A NATS server of one's own for a test: on a free loopback port, gone when it is stopped. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#platform/clock/clock.ts'

export interface NatsServer { url: string; stop(): Promise<void> }

const startMsMax = 10_000

/** A given `port` is for a server that comes back; otherwise any free one is taken. */
export async function startNatsServer(
  { token, port = -1 }: { token?: string; port?: number } = {},
): Promise<NatsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'quaystone-nats-'))
  const auth = token === undefined ? [] : ['--auth', token]
  const flags = ['--addr', '127.0.0.1', '--port', String(port), '--ports_file_dir', folder, ...auth]
  const server = spawn('nats-server', flags, { stdio: 'ignore' })
  const exited = new Promise<void>((resolve, reject) => {
    server.once('exit', () => resolve())
    server.once('error', reject)
  })
  exited.catch(() => undefined)
  const url = await Promise.race(
    [portsFile(folder), exited.then(() => { throw new Error('nats-server ended at once') })],
  )
  return {
    url,
    stop: async () => {
      server.kill()
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The server writes its port to a file once it listens. */
async function portsFile(folder: string): Promise<string> {
  const deadline = systemClock.now() + startMsMax
  while (systemClock.now() < deadline) {
    const name = readdirSync(folder).find((file) => file.endsWith('.ports'))
    const text = name === undefined ? '' : readFileSync(join(folder, name), 'utf8')
    if (text.trimEnd().endsWith('}')) return (JSON.parse(text) as { nats: string[] }).nats[0] as string
    await systemClock.sleep(10)
  }
  throw new Error(`nats-server did not listen within ${startMsMax} ms`)
}
