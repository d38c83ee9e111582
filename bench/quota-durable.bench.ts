/** QB2: durable reservations, with the row they are for and without one, beside other ways over the same database. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase, type Database } from '../packages/server/src/platform/db/database.ts'
import { migrate } from '../packages/server/src/platform/db/migrate.ts'
import { runStatement } from '../packages/server/src/platform/db/statement.ts'
import { migrations } from '../packages/server/src/services/quota/store/migrations.ts'
import type { Bench, BenchContext, Figure } from './bench.ts'
import { figure } from './bench.ts'
import { createNaive } from './quota/naive-rows.ts'
import { loadWith, perSecondOf, waitAt, type Load } from './quota/durable-load.ts'
import { loadOfProcesses } from './quota/durable-process.ts'
import { lendFrom, planTree, plantTree, type Lent, type PlantedTree } from './quota/durable-tree.ts'
import { createSmallest, waysOver, type WayName } from './quota/durable-ways.ts'

const name = 'quota-durable'
const seconds = 2

interface Case {
  callers: number
  lent: Lent
}

const cases: readonly Case[] = [
  { callers: 1, lent: 'half' },
  { callers: 4, lent: 'half' },
  { callers: 16, lent: 'half' },
  { callers: 64, lent: 'half' },
  { callers: 16, lent: 'all' },
]

/** API processes, and how many requests each has under way. */
const processCases = [1, 4, 16] as const
const callersOfProcess = 16

const titleOf = (db: Database, { callers, lent }: Case): string =>
  `${db.dialect}, ${callers} at a time, ${lent} lent`

/** On SQLite all transactions share commits, with a row or without. */
const waysOn = (db: Database): WayName[] =>
  db.dialect === 'postgresql'
    ? ['naive', 'smallest', 'with a row', 'alone', 'sequenced']
    : ['naive', 'smallest', 'with a row', 'sequenced']

/** Half lent: a claim meets the leaf's private part and no row above it. All lent: it is counted up to the root. */
const compare = async (db: Database, tree: PlantedTree, { say, signal }: BenchContext): Promise<Figure[]> => {
  const ways = waysOver(db, tree),
    figures: Figure[] = []
  let lentNow: Lent = 'half'
  for (const one of cases) {
    signal.throwIfAborted()
    if (one.lent !== lentNow) await lendFrom(db, one.lent)
    lentNow = one.lent
    const loads = new Map<WayName, Load>()
    for (const way of waysOn(db)) {
      const settings = { callers: one.callers, seconds, leaves: tree.leaves, run: `${one.lent} ${one.callers} ${way}` }
      loads.set(way, await loadWith(await ways[way](), settings))
      if (way === 'sequenced') await forgetSequenced(db)
    }
    say(lineOf(titleOf(db, one), loads))
    figures.push(...figuresOf(titleOf(db, one), one, loads))
  }
  return figures
}

/** Its claims are not in the stored numbers. */
const forgetSequenced = (db: Database): Promise<unknown> =>
  db
    .as<{ quota_claim: { subject: string } }>()
    .deleteFrom('quota_claim')
    .where('subject', 'like', '% sequenced %')
    .execute()

const lineOf = (title: string, loads: ReadonlyMap<WayName, Load>): string => {
  const each = [...loads].map(([way, load]) => {
    const [median, p99] = [50, 99].map((percent) => waitAt(percent, load).toFixed(1))
    return `${way} ${perSecondOf(load).toFixed(0)}/s (${median} and ${p99} ms)`
  })
  return `  ${title}; waits of half and of 99 %: ${each.join(', ')}`
}

const reached5000 = { of: 'value', is: 'at least', limit: 5_000 } as const

/** Beyond one caller at a time it is a decision a commit, and the disk's rate is what there is. */
const figuresOf = (metric: string, { lent }: Case, loads: ReadonlyMap<WayName, Load>): Figure[] => {
  const rateOf = (way: WayName): number => perSecondOf(loads.get(way)!)
  const beside = (way: WayName, other: WayName, limit: number): Figure =>
    figure({
      ...{ bench: name, unit: 'reservations/s', value: rateOf(way), baseline: rateOf(other) },
      metric: `${metric}: ${way}, beside ${other}`,
      goal: { of: 'ratio', is: 'at least', limit },
    })
  const best: WayName = loads.has('alone') ? 'alone' : 'with a row'
  const main = figure({
    ...{ bench: name, unit: 'reservations/s', value: rateOf(best), baseline: rateOf('naive') },
    metric: `${metric}: ${best}`,
    goal: lent === 'half' ? reached5000 : { of: 'ratio', is: 'at least', limit: 1 },
  })
  const withRow = best === 'alone' ? [beside('with a row', 'naive', 1)] : []
  return [main, ...withRow, beside('with a row', 'smallest', 0.5), beside(best, 'sequenced', 0.1)]
}

const ofProcesses = async (url: string, schema: string, { say, signal }: BenchContext): Promise<Figure[]> => {
  const figures: Figure[] = []
  for (const processes of processCases) {
    signal.throwIfAborted()
    const loadOf = (way: WayName): Promise<Load> =>
      loadOfProcesses({
        ...{ url, schema, way, processes, seconds },
        ...{ callers: callersOfProcess, run: `${processes} processes ${way}` },
      })
    const loads = new Map<WayName, Load>()
    for (const way of ['naive', 'with a row', 'alone'] as const) loads.set(way, await loadOf(way))
    const metric = `postgresql, ${processes} processes with ${callersOfProcess} requests each`
    say(lineOf(metric, loads))
    figures.push(
      figure({
        ...{ bench: name, metric, unit: 'reservations/s', goal: reached5000 },
        value: perSecondOf(loads.get('alone')!),
        baseline: perSecondOf(loads.get('naive')!),
      }),
      figure({
        ...{ bench: name, metric: `${metric}: wait, 99 %`, unit: 'ms', value: waitAt(99, loads.get('alone')!) },
        baseline: waitAt(99, loads.get('naive')!),
        goal: { of: 'value', is: 'at most', limit: 25 },
      }),
    )
  }
  return figures
}

const prepare = async (db: Database, tree: PlantedTree): Promise<void> => {
  await migrate(db, [{ service: 'quota', migrations }])
  await plantTree(db, tree)
  await createNaive(db, tree)
  await createSmallest(db)
  // What PostgreSQL does by itself within a minute.
  if (db.dialect === 'postgresql') await runStatement(db, { sqlite: '', postgresql: 'analyze' }, [])
}

const onSqlite = async (tree: PlantedTree, context: BenchContext): Promise<Figure[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'quaystone-bench-'))
  const db = await openDatabase({ url: `sqlite:${join(folder, 'quota.db')}`, synchronous: 'full' })
  try {
    await prepare(db, tree)
    return await compare(db, tree, context)
  } finally {
    await db.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const onPostgres = async (tree: PlantedTree, url: string, context: BenchContext): Promise<Figure[]> => {
  const schema = `bench_quota_${process.pid}`,
    admin = await openDatabase({ url })
  await admin.transaction((tx) => tx.as().schema.createSchema(schema).execute())
  const db = await openDatabase({ url, schema, poolMax: 16 })
  try {
    await prepare(db, tree)
    const figures = await ofProcesses(url, schema, context)
    return [...(await compare(db, tree, context)), ...figures]
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

const run = async (context: BenchContext): Promise<Figure[]> => {
  const tree = planTree(),
    url = process.env.QUAYSTONE_TEST_PG
  context.say(`${tree.projects.length} projects on six levels, 3 resources; SQLite with full sync`)
  const figures = await onSqlite(tree, context)
  context.signal.throwIfAborted()
  if (!url) context.say('PostgreSQL is measured too when QUAYSTONE_TEST_PG names one')
  else {
    context.say(`PostgreSQL with fsync ${await fsyncOf(url)}`)
    figures.push(...(await onPostgres(tree, url, context)))
  }
  return figures
}

export const bench: Bench = { name, about: 'Durable quota reservations, beside locking every row of the path', run }
