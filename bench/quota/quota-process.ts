/** A cloud in a process of its own for quota's benches: the real door, tokens, database and loops, no containers. */
import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { openDatabase } from '../../packages/server/src/platform/db/database.ts'
import { runStatement } from '../../packages/server/src/platform/db/statement.ts'

const ticksPerSecond = 100

if (process.argv[2] === 'serve') {
  const { startTestCloud } = await import('../../packages/server/src/app/testing.ts')
  const [dataDir, database] = process.argv.slice(3)
  const config = { sqliteSync: 'full' as const, ...(database && { database }) }
  const { createLog } = await import('../../packages/server/src/platform/log/log.ts')
  const cloud = await startTestCloud({ dataDir, config, log: createLog({ level: 'warn' }) })
  await cloud.server.listen({ port: 0, host: '127.0.0.1' })
  const { port } = cloud.server.server.address() as { port: number }
  process.once('SIGTERM', () => void cloud.close().then(() => process.exit(0)))
  // Nobody is left to stop it.
  process.once('disconnect', () => process.exit(1))
  process.send!({ port, token: await cloud.login('admin') })
}

export interface QuotaProcess {
  /** Throws when the answer is not one of success, unless `may` says that this status is right too. */
  ask<T = any>(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown, may?: number): Promise<T>
  /** User and system CPU time that the server has used, ms. */
  cpuMs(): number
  stop(): Promise<void>
}

interface Serving {
  port: number
  token: string
}

/** Without a URL on SQLite, each commit on the disk before it is answered. */
export const startQuota = async (database?: string): Promise<QuotaProcess> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'quaystone-bench-quota-'))
  const child = fork(import.meta.filename, ['serve', dataDir, ...(database ? [database] : [])])
  const { port, token } = await new Promise<Serving>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Serving))
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
  })
  const dispatcher = new Agent({ connections: 64, pipelining: 1 })
  const headers = { 'x-auth-token': token, 'content-type': 'application/json' }
  return {
    ask: async (method, path, body, may) => {
      const payload = body === undefined ? undefined : JSON.stringify(body)
      const answer = await request(`http://127.0.0.1:${port}${path}`, { method, dispatcher, headers, body: payload })
      const text = await answer.body.text()
      if (answer.statusCode >= 300 && answer.statusCode !== may)
        throw new Error(`${method} ${path} answered ${answer.statusCode}: ${text}`)
      return text === '' ? undefined : JSON.parse(text)
    },
    cpuMs: () => {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond
    },
    stop: async () => {
      await dispatcher.close()
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** A new PostgreSQL database beside the one that is named; `drop` takes it away. */
export const emptyDatabase = async (url: string): Promise<{ url: string; drop(): Promise<void> }> => {
  const name = `bench_quota_${process.pid}`
  const administer = async (text: string): Promise<void> => {
    const db = await openDatabase({ url })
    await runStatement(db, { sqlite: text, postgresql: text }, []).finally(() => db.close())
  }
  await administer(`create database ${name}`)
  const own = new URL(url)
  own.pathname = `/${name}`
  return { url: own.href, drop: () => administer(`drop database if exists ${name} with (force)`) }
}
