/** One kind of record as its viewers see it: lists, single reads, and the checks before a change. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Executor, Tx } from '#platform/db/database.ts'
import type { SortKey } from '#platform/api-kit/paging.ts'
import { fetch, list, type Condition } from '../store/records.ts'
import type { Kind } from '../store/kinds.ts'
import type { Viewer } from '../store/access.ts'
import type { Network, Standard } from '../store/tables.ts'
import { networkKind } from '../store/kinds.ts'
import type { NeutronParts } from './parts.ts'
import { missing, staleRevision } from './refusals.ts'

/** Undefined: everything is visible to this viewer. */
export type Visible = (viewer: Viewer) => Condition | undefined

export interface PageAsk {
  conditions: Condition[]
  sort: SortKey[]
  marker?: string
  limit?: number
  reverse: boolean
}

export const viewerOf = (ctx: RequestContext): Viewer => ({ projectId: ctx.projectId, isAdmin: ctx.isAdmin })

export class Collection<R extends Standard> {
  readonly kind: Kind<R>
  readonly #parts: NeutronParts
  readonly #visible: Visible
  constructor(parts: NeutronParts, kind: Kind<R>, visible: Visible) {
    this.#parts = parts
    this.kind = kind
    this.#visible = visible
  }

  /** A reversed page holds the records before its marker, in the list's own order. */
  async list(viewer: Viewer, ask: PageAsk): Promise<R[]> {
    const after = ask.marker === undefined ? undefined : await this.fetch(viewer, ask.marker)
    const sort = ask.reverse ? ask.sort.map(turned) : ask.sort
    const conditions = [...ask.conditions, ...this.#limits(viewer)]
    const found = await list(this.#parts.db, this.kind, { conditions, sort, after, limit: ask.limit })
    return ask.reverse ? found.reverse() : found
  }

  /** What the viewer may not see does not exist for them. */
  async fetch(viewer: Viewer, id: string, executor: Executor = this.#parts.db): Promise<R> {
    const found = await this.find(viewer, id, executor)
    if (found) return found
    throw missing(this.kind, id)
  }

  async find(viewer: Viewer, id: string, executor: Executor = this.#parts.db): Promise<R | undefined> {
    const limits = this.#limits(viewer)
    if (limits.length === 0) return fetch(executor, this.kind, id)
    const [found] = await list(executor, this.kind, {
      conditions: [(where) => where('id', '=', id), ...limits],
      limit: 1,
    })
    return found
  }

  /** The record, for somebody whom the rule lets change it and who knows its newest revision. */
  async owned(tx: Tx, ctx: RequestContext, id: string, rule: string, ifMatch?: number): Promise<R> {
    const record = await this.fetch(viewerOf(ctx), id, tx)
    ctx.enforce(rule, await targetOf(tx, record))
    if (ifMatch !== undefined && ifMatch !== record.revision_number)
      throw staleRevision(ifMatch, record.revision_number)
    return record
  }

  #limits(viewer: Viewer): Condition[] {
    const limit = this.#visible(viewer)
    return limit ? [limit] : []
  }
}

const turned = ({ column, direction }: SortKey): SortKey => ({
  column,
  direction: direction === 'asc' ? 'desc' : 'asc',
})

/** What policy rules look at: the record's owner, and the owner of its network if it has one. */
export const targetOf = async (
  executor: Executor,
  record: Standard & { network_id?: string },
): Promise<Record<string, unknown>> => {
  const network: Network | undefined = record.network_id
    ? await fetch(executor, networkKind, record.network_id)
    : undefined
  return ownerTarget(record, network?.project_id)
}

export const ownerTarget = (record: { project_id: string }, networkOwner?: string): Record<string, unknown> => ({
  ...record,
  project_id: record.project_id,
  tenant_id: record.project_id,
  'network:tenant_id': networkOwner ?? '',
  'network:project_id': networkOwner ?? '',
})
