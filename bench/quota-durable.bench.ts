/** QB2: durable reservations, with the row they are for and without one, beside two other ways over one database. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../packages/server/src/platform/clock/clock.ts'
import { openDatabase, type Database } from '../packages/server/src/platform/db/database.ts'
import { migrate } from '../packages/server/src/platform/db/migrate.ts'
import { runStatement } from '../packages/server/src/platform/db/statement.ts'
import { quotaOver } from '../packages/server/src/services/quota/testing.ts'
import type { QuotaFront } from '../packages/server/src/services/quota/manager/front.ts'
import { migrations } from '../packages/server/src/services/quota/store/migrations.ts'
import type { Bench, BenchContext, Figure } from './bench.ts'
import { figure } from './bench.ts'
import { createNaive, takeNaive } from './quota/naive-rows.ts'
import { openSequencer } from './quota/sequencer.ts'
import { randomOf } from './quota/forest.ts'
import { eachAtATime } from './support/statistics.ts'

const name = 'quota-durable'
const branch = 2
const depth = 5
const resources = ['instances', 'cores', 'ram']
const amounts = { instances: 1, cores: 2, ram: 512 }
const seconds = 2
/** So much that no case uses up what an earlier one left private. */
const leafOwn = 1_000_000_000

interface Planted {
  projects: { id: string; parent: string | null; own: number; path: string[] }[]
  leaves: string[]
}

const plantNames = (): Planted => {
  const planted: Planted = { projects: [], leaves: [] }
  const plant = (id: string, above: string[], level: number): void => {
    const path = [...above, id],
      own = leafOwn * branch ** (depth - level)
    planted.projects.push({ id, parent: above.at(-1) ?? null, own, path })
    if (level === depth) planted.leaves.push(id)
    else for (let child = 0; child < branch; child++) plant(`${id}.${child}`, path, level + 1)
  }
  plant('org', [], 0)
  return planted
}

const openOurs = async (db: Database, { projects }: Planted) => {
  await migrate(db, [{ service: 'quota', migrations }])
  const known = new Map(projects.map(({ id, parent }) => [id, parent]))
  const { front, limits } = quotaOver(db, systemClock, known)
  for (const resource of resources)
    await front.ensureResource({ name: resource, service: 'bench', defaultLimit: projects[0]!.own })
  await db.transaction(async (tx) => {
    for (const { id, parent } of projects.slice(0, 2))
      await front.ensureProject(tx, { projectId: id, parentId: parent })
  })
  return { front, limits }
}

type Take = (number: number, leaf: string) => Promise<unknown>

interface Rate {
  perSecond: number
  /** This process's own, milliseconds of CPU for each. */
  cpuMs: number
}

/** Takes for some seconds, `clients` at a time. */
const rateOf = async (clients: number, leaves: readonly string[], take: Take): Promise<Rate> => {
  const random = randomOf(clients),
    start = performance.now(),
    end = start + seconds * 1000,
    before = process.cpuUsage()
  let done = 0
  await eachAtATime(Array.from({ length: clients }), clients, async () => {
    while (performance.now() < end) await take(done++, leaves[Math.floor(random() * leaves.length)]!)
  })
  const { user, system } = process.cpuUsage(before)
  return { perSecond: done / ((performance.now() - start) / 1000), cpuMs: (user + system) / 1000 / done }
}

interface Case {
  clients: number
  lent: 'half' | 'all'
}

const waitsForRows = { isolation: 'read committed' } as const

/** The ways over one database: each in turn, with subjects of its own. */
const waysOver = async (db: Database, planted: Planted, front: QuotaFront) => {
  const paths = new Map(planted.projects.map(({ id, path }) => [id, path]))
  const naive = (run: string): Take => {
    return (number, leaf) =>
      db.transaction((tx) => takeNaive(tx, `${run} ${number}`, paths.get(leaf)!, amounts), waitsForRows)
  }
  const ours = (run: string): Take => {
    return (number, leaf) => {
      const request = { projectId: leaf, deltas: amounts, subject: `${run} ${number}`, started: true }
      return db.transaction((tx) => front.reserve(tx, request), waitsForRows)
    }
  }
  const alone = (run: string): Take => {
    return (number, leaf) =>
      front.reserveAlone({ projectId: leaf, deltas: amounts, subject: `alone ${run} ${number}`, started: true })
  }
  const sequenced = async (run: string): Promise<Take> => {
    const sequencer = await openSequencer(db, 'org')
    return (number, leaf) => sequencer.take(`sequenced ${run} ${number}`, leaf, amounts)
  }
  return { naive, ours, alone, sequenced }
}

/** Half lent: a claim meets the leaf's private part and no row above it. All lent: it is counted up to the root. */
const compare = async (db: Database, planted: Planted, cases: readonly Case[]): Promise<Figure[]> => {
  const { front } = await openOurs(db, planted)
  await createNaive(db, planted.projects, resources)
  const ways = await waysOver(db, planted, front)
  const figures: Figure[] = []
  let lentNow = ''
  for (const { clients, lent } of cases) {
    if (lent !== lentNow) await lend(front, planted, lent === 'all' ? -1 : 0)
    lentNow = lent
    const run = `${lent}${clients}`,
      rate = (take: Take) => rateOf(clients, planted.leaves, take)
    const naive = await rate(ways.naive(run)),
      ours = await rate(ways.ours(run)),
      // On SQLite that is the same: all transactions share commits.
      alone = db.dialect === 'postgresql' ? await rate(ways.alone(run)) : undefined
    // Its claims are not in the stored numbers: it comes last, and its claims go before the next case.
    const sequenced = await rate(await ways.sequenced(run))
    await db
      .as<{ quota_claim: { subject: string } }>()
      .deleteFrom('quota_claim')
      .where('subject', 'like', 'seq%')
      .execute()
    const metric = `${db.dialect}, ${clients} at a time, ${lent} lent`,
      isGoal = clients >= 16 && lent === 'half'
    figures.push(...figuresOf(metric, isGoal, { naive, ours, alone, sequenced }))
  }
  return figures
}

const figuresOf = (
  metric: string,
  isGoal: boolean,
  { naive, ours, alone, sequenced }: Record<'naive' | 'ours' | 'sequenced', Rate> & { alone: Rate | undefined },
): Figure[] => {
  const perSecond = (of: string, rate: Rate): Figure =>
    figure({
      bench: name,
      metric: of,
      unit: 'reservations/s',
      value: rate.perSecond,
      baseline: naive.perSecond,
      goal: isGoal ? { of: 'value', is: 'at least', limit: 5_000 } : { of: 'ratio', is: 'at least', limit: 1 },
    })
  return [
    perSecond(metric, ours),
    ...(alone ? [perSecond(`${metric}, no row with it`, alone)] : []),
    figure({
      bench: name,
      metric: `${metric}, own CPU`,
      unit: 'ms each',
      value: ours.cpuMs,
      baseline: naive.cpuMs,
      goal: { of: 'ratio', is: 'at most', limit: 1 },
    }),
    figure({
      bench: name,
      metric: `${metric}, beside a sequencer`,
      unit: 'reservations/s',
      value: ours.perSecond,
      baseline: sequenced.perSecond,
      goal: { of: 'ratio', is: 'at least', limit: 0.1 },
    }),
  ]
}

/** Leaves lend half of what they own, or all of it; inner projects pass all on. */
const lend = async (front: QuotaFront, { projects, leaves }: Planted, all: -1 | 0): Promise<void> => {
  const isLeaf = new Set(leaves)
  for (const { id, own, parent } of projects) {
    if (parent === null) continue
    const limit = { own, lend: all === -1 || !isLeaf.has(id) ? -1 : own / 2 }
    await front.setLimits({
      projectId: id,
      limits: Object.fromEntries(resources.map((resource) => [resource, limit])),
    })
  }
}

const onSqlite = async (planted: Planted): Promise<Figure[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'quaystone-bench-'))
  const db = await openDatabase({ url: `sqlite:${join(folder, 'quota.db')}`, synchronous: 'full' })
  try {
    return await compare(db, planted, [
      { clients: 1, lent: 'half' },
      { clients: 16, lent: 'half' },
      { clients: 64, lent: 'half' },
      { clients: 16, lent: 'all' },
    ])
  } finally {
    await db.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const onPostgres = async (planted: Planted, url: string): Promise<Figure[]> => {
  const schema = `bench_quota_${process.pid}`,
    admin = await openDatabase({ url })
  await admin.transaction((tx) => tx.as().schema.createSchema(schema).execute())
  const db = await openDatabase({ url, schema, poolMax: 16 })
  try {
    return await compare(db, planted, [
      { clients: 1, lent: 'half' },
      { clients: 4, lent: 'half' },
      { clients: 16, lent: 'half' },
      { clients: 16, lent: 'all' },
    ])
  } finally {
    await db.close()
    await admin.transaction((tx) => tx.as().schema.dropSchema(schema).cascade().execute())
    await admin.close()
  }
}

/** Without it no figure of PostgreSQL is about anything durable. */
const fsyncOf = async (url: string): Promise<string> => {
  const db = await openDatabase({ url })
  const show = { sqlite: `select 'none' as fsync`, postgresql: 'show fsync' }
  const { rows } = await db.transaction((tx) => runStatement<{ fsync: string }>(tx, show, []))
  await db.close()
  return rows[0]!.fsync
}

const run = async ({ say, signal }: BenchContext): Promise<Figure[]> => {
  const planted = plantNames(),
    url = process.env.QUAYSTONE_TEST_PG
  say(`${planted.projects.length} projects, ${depth + 1} levels, 3 resources; SQLite with full sync`)
  const figures = await onSqlite(planted)
  signal.throwIfAborted()
  if (!url) say('PostgreSQL is measured too when QUAYSTONE_TEST_PG names one')
  else {
    say(`PostgreSQL with fsync ${await fsyncOf(url)}`)
    figures.push(...(await onPostgres(planted, url)))
  }
  return figures
}

export const bench: Bench = { name, about: 'Durable quota reservations, beside locking every row of the path', run }
