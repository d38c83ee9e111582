/** A process that asks for three units as often as it is told, and is killed by itself where it is told to be. */
import { systemClock } from '#platform/clock/clock.ts'
import { openDatabase } from '#platform/db/database.ts'
import { mortal } from '#platform/db/testing-deaths.ts'
import { quotaOver } from './testing.ts'

export interface Order {
  subject: string
  /** Killed behind the `n`th thing that it writes, of which the last is the commit; 0: not by itself. */
  dieBehind: number
}
export type Told = 'ready' | 'asking' | 'reserved' | 'committed' | 'waiting'

const db = mortal(await openDatabase({ url: process.argv[2]!, poolMax: 2 }))
const { front } = quotaOver(db, systemClock, new Map([['p', null]]))
const tell = (told: Told): Promise<void> => new Promise((resolve) => process.send!(told, () => resolve()))

/** As `kill -9` from outside: nobody is left to roll anything back. */
const dieBehind = (n: number): void => {
  let written = 0
  db.deaths.wrote = () => {
    if (++written === n) process.kill(process.pid, 'SIGKILL')
  }
}

process.on('message', async ({ subject, dieBehind: n }: Order) => {
  await tell('asking')
  dieBehind(n)
  const { state } = await db.transaction((tx) =>
    front.reserve(tx, { projectId: 'p', deltas: { units: 3 }, subject }),
  )
  await tell(state)
})
await front.usage('p')
await tell('ready')
