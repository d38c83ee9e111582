/** Rule L from request to request: who was taken back takes only what its project owns until it has cooled down. */
import type { Tx } from '#platform/db/database.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import { afterReclaim, REMEMBERED_MS } from '#engines/quota/reclaim-memory.ts'
import type { StoredClaim } from '../store/claims.ts'
import { projectFetch } from '../store/projects.ts'
import { reclaimedFetch, reclaimedForget, reclaimedStrictest, reclaimedWrite } from '../store/reclaimed.ts'
import { policyAlong } from './owners-policy.ts'

/** A claim that was asked to end has given what was wanted: its lineage is remembered, who cooled down forgotten. */
export const rememberReclaim = async (tx: Tx, nowMs: number, claim: StoredClaim): Promise<void> => {
  const project = await projectFetch(tx, claim.projectId)
  if (!project) return
  const lineage = claim.lineage ?? claim.subject,
    terms = await policyAlong(tx, project)
  await reclaimedForget(tx, nowMs - REMEMBERED_MS)
  await reclaimedWrite(tx, afterReclaim(lineage, await reclaimedFetch(tx, lineage), terms, nowMs))
}

/** Tells an engine, before it plans for a lineage, what became of it before; or of any of several that ask as one. */
export const recallMemory = async (tx: Tx, engine: QuotaEngine, lineage: string): Promise<void> => {
  const memory = lineage.endsWith('*')
    ? await reclaimedStrictest(tx, lineage.slice(0, -1))
    : await reclaimedFetch(tx, lineage)
  if (memory) engine.histories.set(lineage, { ...memory, lineage })
}
