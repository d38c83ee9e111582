/** Quota: a tree of projects that own, lend, borrow and share every counted resource. */
import { defineService } from '#platform/api-kit/service.ts'
import type { ServiceDeps } from '#services/deps.ts'
import { fault } from './api/fault.ts'
import type { QuotaApi } from './api/quota-api.ts'
import { routes } from './api/routes.ts'
import type { Subscription } from '#platform/bus/bus.ts'
import { collectDebts } from './controllers/collect-debts.ts'
import { endTickets } from './controllers/end-tickets.ts'
import { expireReservations } from './controllers/expire-reservations.ts'
import { followProjects } from './controllers/follow-projects.ts'
import { followUnifiedLimits } from './controllers/follow-unified-limits.ts'
import { forgetProjects } from './controllers/forget-projects.ts'
import { pruneHistory } from './controllers/prune-history.ts'
import type { HistoryBounds } from './controllers/prune-history.ts'
import { recountRows } from './controllers/recount-rows.ts'
import { repairNumbers } from './controllers/repair-numbers.ts'
import { serveWaiting } from './controllers/serve-waiting.ts'
import type { QuotaFacade } from './facade.ts'
import { Board } from './manager/board.ts'
import { Debts } from './manager/debts.ts'
import { HistoryBoard } from './manager/history-board.ts'
import { QuotaFront } from './manager/front.ts'
import { History } from './manager/history.ts'
import { Limits } from './manager/limits.ts'
import { gauges, witness } from './manager/metrics.ts'
import { OutsideClaims } from './manager/outside-claims.ts'
import { WaitingBoard } from './manager/owners-waiting.ts'
import { Moves } from './manager/owners-moves.ts'
import type { QuotaParts } from './manager/parts.ts'
import { KnownProjects } from './manager/projects.ts'
import type { Wish } from './manager/reclaim.ts'
import { UnifiedLimits } from './manager/unified-limits/unified-limits.ts'
import { policies } from './policies.ts'
import { migrations } from './store/migrations.ts'

export const quota = defineService<QuotaApi, QuotaFacade, ServiceDeps>({
  name: 'quota',
  about: 'A tree of projects that own, lend, borrow and share every counted resource',
  level: 1,
  catalog: [{ type: 'quota', name: 'quota', path: '/quota/v1' }],
  prefix: '/quota',
  versionPath: '/v1',
  faults: 'plain',
  faultSchema: fault,
  adminRule: 'context_is_admin',
  policies,
  migrations,
  routes,
  create: ({ db, bus, clock, log, metrics, facades, config, region }) => {
    const history = new History({ db, clock, log }, witness(metrics))
    const parts: QuotaParts = {
      db,
      clock,
      log,
      keystone: facades.keystone,
      region,
      defaults: (config.defaults ?? {}) as Record<string, number>,
      history,
      wish: (wish) => bus.publish(wished, wish),
    }
    const projects = new KnownProjects(parts),
      limits = new Limits(parts, projects)
    const front = new QuotaFront(parts, projects, limits),
      unified = new UnifiedLimits(parts, limits)
    const board = new Board(parts, projects, limits)
    gauges(metrics, parts, limits)
    let listening: Subscription | undefined
    return {
      start: async () => {
        listening = bus.subscribe(wished, (wish) => db.transaction((tx) => front.reclaim.begin(tx, wish as Wish)))
      },
      stop: async () => {
        listening?.unsubscribe()
        await history.close()
      },
      api: {
        board,
        outside: new OutsideClaims(parts, front, front.waitingLine),
        past: new HistoryBoard(parts, board),
        unified,
        waiting: new WaitingBoard(parts, board, front.waitingLine),
      },
      facade: front,
      controllers: [
        expireReservations(parts, front),
        endTickets(parts, front),
        collectDebts(new Debts(parts, front)),
        repairNumbers(parts),
        serveWaiting(parts, front),
        forgetProjects(parts, projects),
        followProjects(new Moves(parts, projects)),
        followUnifiedLimits(unified),
        recountRows(front.owners),
        pruneHistory(parts, boundsOf(config)),
      ],
    }
  },
})

/** A doorbell between the refusal, whose transaction is undone, and the notices, which need one of their own. */
const wished = 'quota.reclaim.wanted'

const dayMs = 86_400_000

const boundsOf = ({ historyRowsMax = 100_000, historyDays = 90 }: Record<string, unknown>): HistoryBounds => ({
  rowsMax: Number(historyRowsMax),
  ageMaxMs: Number(historyDays) * dayMs,
})
