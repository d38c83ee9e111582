/** Quota alone over a database, with a Keystone that knows the projects it is told. */
import assert from 'node:assert/strict'
import { ManualClock } from '#platform/clock/clock.ts'
import type { Database } from '#platform/db/database.ts'
import type { TestDatabase } from '#platform/db/testing.ts'
import { silentLog } from '#platform/log/log.ts'
import type { ProjectInfo, UnifiedLimits } from '#services/keystone/facade.ts'
import { driftOf } from './manager/audit.ts'
import { Board } from './manager/board.ts'
import { QuotaFront } from './manager/front.ts'
import { History } from './manager/history.ts'
import { Limits } from './manager/limits.ts'
import type { QuotaParts } from './manager/parts.ts'
import { KnownProjects } from './manager/projects.ts'
import type { Wish } from './manager/reclaim.ts'
import { UnifiedLimits as FollowedLimits } from './manager/unified-limits/unified-limits.ts'
import { migrations } from './store/migrations.ts'

export interface QuotaBench {
  /** Wishes that nobody has begun yet. */
  wishes: Wish[]
  db: Database
  clock: ManualClock
  parts: QuotaParts
  projects: KnownProjects
  limits: Limits
  front: QuotaFront
  board: Board
  followed: FollowedLimits
  /** Project → parent, null below the domain. Change it as Keystone would. */
  known: Map<string, string | null>
  /** What Keystone's unified limits say. Change it as an operator would. */
  unified: UnifiedLimits & { model: 'flat' | 'strict_two_level' }
}

export const openQuota = async (
  database: Pick<TestDatabase, 'open'>,
  tree: Record<string, string | null>,
): Promise<QuotaBench> => {
  const clock = new ManualClock()
  const db = await database.open({ migrations: [{ service: 'quota', migrations }], clock })
  return { ...quotaOver(db, clock, new Map(Object.entries(tree))), db, clock }
}

export const quotaOver = (db: Database, clock: QuotaParts['clock'], known: Map<string, string | null>) => {
  const wishes: Wish[] = []
  const unified: QuotaBench['unified'] = { model: 'flat', registered: [], limits: [] }
  const parts: QuotaParts = {
    db,
    clock,
    log: silentLog,
    keystone: keystoneOf(known, unified),
    region: 'RegionOne',
    defaults: {},
    history: new History({ db, clock, log: silentLog }),
    wish: (wish) => wishes.push(wish),
  }
  const projects = new KnownProjects(parts),
    limits = new Limits(parts, projects)
  return {
    wishes,
    parts,
    projects,
    limits,
    known,
    unified,
    front: new QuotaFront(parts, projects, limits),
    board: new Board(parts, projects, limits),
    followed: new FollowedLimits(parts, limits),
  }
}

const domain: ProjectInfo = {
  id: 'default',
  name: 'Default',
  domainId: 'default',
  parentId: null,
  enabled: true,
  isDomain: true,
}

const keystoneOf = (known: Map<string, string | null>, unified: QuotaBench['unified']): QuotaParts['keystone'] => {
  const info = (id: string): ProjectInfo => ({
    id,
    name: id,
    domainId: 'default',
    parentId: known.get(id) ?? 'default',
    enabled: true,
    isDomain: false,
  })
  const ancestors = (id: string): ProjectInfo[] => {
    if (!known.has(id)) return []
    const parent = known.get(id)!
    return [info(id), ...(parent === null ? [domain] : ancestors(parent))]
  }
  return {
    projectAncestors: async (id) => (id === domain.id ? [domain] : ancestors(id)),
    projectsList: async () => [domain, ...[...known.keys()].map(info)],
    limitModel: () => unified.model,
    unifiedLimits: async () => unified,
  }
}

/** The law that every test of the service ends with. */
export const assertNoDrift = async (db: Database): Promise<void> =>
  assert.deepEqual(await driftOf(db, 10), [], 'the running numbers must be what the claims add up to')
