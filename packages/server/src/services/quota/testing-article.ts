/** The article's two tenants: 8 and 8 of 16, of which T1 runs four and T2 twelve; and what tests make them do. */
import { afterEach, beforeEach } from 'node:test'
import type { TestDatabase } from '#platform/db/testing.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { Amounts } from './facade.ts'
import type { Step } from './manager/board.ts'
import type { ProjectPolicy } from './manager/owners-policy.ts'
import { assertNoDrift, openQuota, type QuotaBench } from './testing.ts'

export interface Start {
  subject: string
  projectId: string
  amounts: Amounts
  lineage?: string
}

const admin = { isAdmin: true, projectId: 'admin' } as Parameters<QuotaBench['board']['setPolicy']>[0]

export type Actions = ReturnType<typeof actionsOver>

export const actionsOver = (bench: QuotaBench) => ({
  /** A millisecond after whatever was before. */
  start: ({ subject, projectId, amounts, lineage }: Start) =>
    bench.db.transaction(async (tx) => {
      bench.clock.advance(1)
      const request = { projectId, deltas: amounts, subject, lineage, started: true }
      await bench.front.reserve(tx, { ...request, reclaimable: 'yes' })
    }),
  /** Gives back all that a subject holds, or a part. */
  stop: (subject: string, deltas?: Amounts) =>
    bench.db.transaction((tx) => bench.front.release(tx, { projectId: '', subject, deltas })),
  wishesBegun: async () => {
    for (const wish of bench.wishes.splice(0)) await bench.db.transaction((tx) => bench.front.reclaim.begin(tx, wish))
  },
  noticed: async () => (await bench.front.notices()).map(({ subject }) => subject).sort(),
  setPolicy: (projectId: string, policy: Partial<ProjectPolicy>) => bench.board.setPolicy(admin, projectId, policy),
  explain: (projectId: string, amounts: Record<string, number>) =>
    bench.board.explain(admin, projectId, { amounts }),
  simulate: (projectId: string, steps: readonly Step[]) => bench.board.simulate(admin, projectId, steps),
  loans: (projectId: string) => bench.board.loans(admin, projectId),
})

/** `granted`, or the details of the refusal. */
export const answerOf = (work: Promise<unknown>): Promise<'granted' | { message: string; [detail: string]: unknown }> =>
  work.then(
    () => 'granted',
    (error: unknown) => {
      if (!isRefusal(error)) throw error
      return { ...error.details, message: error.message }
    },
  )

export const reasonOf = async (work: Promise<unknown>): Promise<unknown> => {
  const answer = await answerOf(work)
  return answer === 'granted' ? answer : answer.reason
}

/** Each container holds one of each resource. */
export const playArticle = async (bench: QuotaBench, resources: readonly string[] = ['instances']): Promise<void> => {
  const { start } = actionsOver(bench)
  const of = (amount: number) => Object.fromEntries(resources.map((name) => [name, amount]))
  for (const name of resources) await bench.front.ensureResource({ name, service: 'compute', defaultLimit: 16 })
  for (const [projectId, borrow] of [['t1', 0], ['t2', 4]] as const) {
    const limits = Object.fromEntries(resources.map((name) => [name, { own: 8, lend: -1, borrow }]))
    await bench.front.setLimits({ projectId, limits })
  }
  await start({ subject: 't1-0', projectId: 't1', amounts: of(4) })
  for (let index = 0; index < 12; index++) await start({ subject: `t2-${index}`, projectId: 't2', amounts: of(1) })
}

export const articleTree = { org: null, t1: 'org', t2: 'org' }

/** Opens the article's tree for each test of a suite; when it is over the numbers must be what claims add up to. */
export const articleForEach = (
  database: Pick<TestDatabase, 'open'>,
  begin: (bench: QuotaBench, act: Actions) => unknown,
): void => {
  let bench: QuotaBench
  beforeEach(async () => {
    bench = await openQuota(database, articleTree)
    await begin(bench, actionsOver(bench))
  })
  afterEach(async () => {
    await assertNoDrift(bench.db)
    await bench.db.close()
  })
}
