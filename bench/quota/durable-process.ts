/** API processes of their own for QB2: each has its connections, its callers and nothing in common but the database. */
import { fork } from 'node:child_process'
import { openDatabase } from '../../packages/server/src/platform/db/database.ts'
import { planTree } from './durable-tree.ts'
import { loadsTogether, loadWith, type Load } from './durable-load.ts'
import { waysOver, type WayName } from './durable-ways.ts'

export interface ProcessLoad {
  url: string
  schema: string
  way: WayName
  processes: number
  /** Of each process. */
  callers: number
  seconds: number
  run: string
}

type Message = 'ready' | Load

/** Of all processes together: what PostgreSQL takes as it is delivered. */
const connectionsMax = 96

if (process.argv[2] === 'durable-client') {
  const { url, schema, way, processes, callers, seconds, run } = JSON.parse(process.argv[3]!) as ProcessLoad
  const db = await openDatabase({ url, schema, poolMax: Math.min(callers, connectionsMax / processes) }),
    tree = planTree()
  const take = await waysOver(db, tree)[way]()
  process.once('message', () => {
    void loadWith(take, { callers, seconds, leaves: tree.leaves, run }).then(async (load) => {
      await db.close()
      process.send!(load, () => process.disconnect())
    })
  })
  process.send!('ready')
}

/** Begins when all are ready. */
export const loadOfProcesses = async (asked: ProcessLoad): Promise<Load> => {
  const clients = Array.from({ length: asked.processes }, (_, number) => new Client(asked, number))
  await Promise.all(clients.map((client) => client.answer('ready')))
  const loads = clients.map((client) => client.answer('load'))
  for (const client of clients) client.begin()
  return loadsTogether((await Promise.all(loads)) as Load[])
}

class Client {
  readonly #child

  constructor(asked: ProcessLoad, number: number) {
    const settings = JSON.stringify({ ...asked, run: `${asked.run} by ${number}` })
    this.#child = fork(import.meta.filename, ['durable-client', settings])
  }

  answer(what: 'ready' | 'load'): Promise<Message> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', (message) => resolve(message as Message))
      this.#child.once('exit', (code) => reject(new Error(`A client ended with ${code} before it was ${what}`)))
    })
  }

  begin(): void {
    this.#child.send('begin')
  }
}
