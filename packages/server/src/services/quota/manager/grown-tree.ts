/** One root's tree between the tables and the engine: grown from holdings and claims, its numbers written back. */
import type { Executor, Tx } from '#platform/db/database.ts'
import { fromFlag, fromJson, toFlag } from '#platform/db/json.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import { fromWire, toWire } from '#engines/quota/amounts.ts'
import { exclusive, selfDefault } from '#engines/quota/settings.ts'
import type { Holding, SelfHolding } from '#engines/quota/settings.ts'
import { importState } from '#engines/quota/state.ts'
import type { ClaimRecord, ProjectState, TicketRecord } from '#engines/quota/state.ts'
import type { Project, QuotaTree } from '#engines/quota/tree.ts'
import { cellDelete, cellsOfRoot, cellWrite, isSameCell } from '../store/cells.ts'
import { treeLock } from '../store/tree-locks.ts'
import { claimsOfRoot } from '../store/claims.ts'
import type { StoredClaim } from '../store/claims.ts'
import { holdingsOfRoot, projectsOfRoot, projectUpdate } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'
import { resourcesList } from '../store/resources.ts'
import { ticketsOfRoot } from '../store/tickets.ts'
import type { StoredTicket } from '../store/tickets.ts'
import type { CellRow, HoldingRow, ResourceRow } from '../store/tables.ts'

/** The engine over everything below one root, as the tables say now; less one claim that is not counted yet. */
export const growTree = async (executor: Executor, rootId: string, uncounted?: string): Promise<QuotaEngine> => {
  const rows = await rowsOf(executor, rootId)
  return growFrom({ ...rows, claims: rows.claims.filter((claim) => claim.subject !== uncounted) })
}

/**
 * The tree as it is for projects that ask again: what was gathered for them is free, and who was told to end for them
 * has not been told yet.
 */
export const growAsking = async (
  executor: Executor,
  rootId: string,
  { projectIds, uncounted }: { projectIds: readonly string[]; uncounted?: string },
): Promise<QuotaEngine> => {
  const rows = await rowsOf(executor, rootId)
  const away = new Set([...projectIds.map(holdSubject), uncounted])
  const claims = rows.claims
    .filter((claim) => !away.has(claim.subject))
    .map((claim) => (claim.ticket !== null && projectIds.includes(claim.ticket) ? { ...claim, ticket: null } : claim))
  return growFrom({
    ...rows,
    claims,
    tickets: rows.tickets.filter(({ projectId }) => !projectIds.includes(projectId)),
  })
}

const rowsOf = async (executor: Executor, rootId: string): Promise<TreeRows> => {
  const resources = await resourcesList(executor),
    projects = await projectsOfRoot(executor, rootId)
  const holdings = await holdingsOfRoot(executor, rootId),
    claims = await claimsOfRoot(executor, rootId)
  return { resources, projects, holdings, claims, tickets: await ticketsOfRoot(executor, rootId) }
}

/** The same, when nobody else can change it before this transaction ends. */
export const growLocked = async (tx: Tx, rootId: string, uncounted?: string): Promise<QuotaEngine> => {
  await treeLock(tx, rootId)
  return growTree(tx, rootId, uncounted)
}

export interface TreeRows {
  resources: ResourceRow[]
  projects: StoredProject[]
  holdings: HoldingRow[]
  claims: StoredClaim[]
  tickets: StoredTicket[]
}

export const growFrom = ({ resources, projects, holdings, claims, tickets }: TreeRows): QuotaEngine => {
  const set = new Map(holdings.map((row) => [`${row.project_id} ${row.resource}`, row]))
  const toState = (project: StoredProject): ProjectState => {
    const rows = resources.map((resource) => ({ resource, row: set.get(`${project.id} ${resource.name}`) }))
    return {
      id: project.id,
      parent: project.parentId,
      policy: project.policy,
      holdings: Object.fromEntries(
        rows.map(({ resource, row }) => [resource.name, row ? fromRow(row) : defaultHolding(project, resource)]),
      ),
      selfHoldings: Object.fromEntries(rows.map(({ resource, row }) => [resource.name, selfOf(row)])),
    }
  }
  return importState({
    resources: resources.map(({ name }) => name),
    projects: parentsFirst(projects).map(toState),
    claims: claims.map(toRecord),
    tickets: [...tickets.map((ticket) => ticketOf(ticket, claims)), ...debtTickets(projects, claims)],
    histories: [],
    claimsNumbered: claims.length,
  })
}

/** What a project holds, by what was set for it or by default. */
export const holdingIn = (
  project: Pick<StoredProject, 'parentId'>,
  resource: ResourceRow,
  row?: HoldingRow,
): Holding => {
  const { own, lend, borrow, ceiling, ...rest } = row ? fromRow(row) : defaultHolding(project, resource)
  const amounts = { own: fromWire(own), lend: fromWire(lend), borrow: fromWire(borrow) }
  return { ...rest, ...amounts, ceiling: ceiling === null ? null : fromWire(ceiling) }
}

/** On the wire: −1 is no limit. */
const defaultHolding = (project: Pick<StoredProject, 'parentId'>, resource: ResourceRow): Holding =>
  project.parentId === null ? { ...exclusive, own: resource.default_limit } : childDefault(resource)

/** Kilo's nothing, or what a registered limit gives to everybody: so much of what those above have not given away. */
export const childDefault = (resource: ResourceRow): Holding => {
  const limit = childLimitOf(resource)
  return limit === null ? exclusive : { ...exclusive, borrow: -1, ceiling: limit === -1 ? null : limit }
}

/**
 * What nobody limits at the root is not kept from children either, as far as those above have it; and of what is not
 * counted nobody has less for what others have.
 */
export const childLimitOf = ({ registered_limit, default_limit, counted }: ResourceRow): number | null =>
  registered_limit ?? (default_limit === -1 || !fromFlag(counted) ? default_limit : null)

const fromRow = ({ own, pool, lend, borrow, ceiling, weight, tier }: HoldingRow): Holding => ({
  own,
  pool,
  lend,
  borrow,
  ceiling,
  weight,
  tier,
})

const selfOf = (row: HoldingRow | undefined): SelfHolding =>
  row?.self ? fromJson<SelfHolding>(row.self) : { ...selfDefault, lend: -1, borrow: -1 }

const parentsFirst = (projects: readonly StoredProject[]): StoredProject[] =>
  [...projects].sort((a, b) => depthOf(a) - depthOf(b) || (a.id < b.id ? -1 : 1))

/** A parent's own leaf is on its path as well, and counts for nothing here. */
const depthOf = ({ path }: StoredProject): number => path.filter((node) => !node.endsWith('/self')).length

const toRecord = (claim: StoredClaim, index: number): ClaimRecord => ({
  id: claim.subject,
  project: claim.projectId,
  amounts: claim.amounts,
  state: claim.ticket ? 'reclaiming' : claim.state,
  reclaimable: claim.reclaimable,
  priority: claim.priority,
  startedAtMs: claim.startedAt,
  number: index + 1,
  lineage: claim.lineage ?? claim.subject,
  graceMs: -1,
  expiresAtMs: claim.expiresAt ?? -1,
  ...(claim.ticket && {
    reclaim: { ticket: claim.ticket, deadlineMs: claim.deadlineAt!, noticeAtMs: claim.startedAt },
  }),
})

/** What a project has got of its ticket so far, kept for it as a claim that ends by itself. */
export const holdSubject = (projectId: string): string => `quota:hold:${projectId}`

/** What is kept for the first of those who wait. */
export const waitingHold = (subject: string): string => `quota:hold:waiting:${subject}`

/** For what claims are asked to end that a project's debt is called in from. */
export const debtTicket = (projectId: string): string => `${debtPrefix}${projectId}`
export const debtorOf = (ticket: string): string | undefined =>
  ticket.startsWith(debtPrefix) ? ticket.slice(debtPrefix.length) : undefined

const debtPrefix = 'quota:debt:'

const ticketOf = (
  { projectId, amounts, createdAt, expiresAt }: StoredTicket,
  claims: readonly StoredClaim[],
): TicketRecord => {
  const held = claims.find((claim) => claim.subject === holdSubject(projectId))?.amounts ?? {}
  const missing = Object.fromEntries(
    Object.entries(amounts).map(([name, amount]) => [name, amount - (held[name] ?? 0)]),
  )
  return {
    claim: askedBy(projectId, { id: projectId, amounts: missing, startedAtMs: createdAt }),
    held: {},
    sinceMs: createdAt,
    expiresAtMs: expiresAt,
    victims: claims.filter((claim) => claim.ticket === projectId).map((claim) => claim.subject),
  }
}

const askedBy = (project: string, asked: Pick<ClaimRecord, 'id' | 'amounts' | 'startedAtMs'>): ClaimRecord => ({
  ...asked,
  ...{ project, lineage: project },
  ...{ state: 'reserved', reclaimable: 'never', priority: 0, number: 0, graceMs: -1, expiresAtMs: -1 },
})

/** They gather nothing for anybody, but who is asked to end for one leaves. */
const debtTickets = (projects: readonly StoredProject[], claims: readonly StoredClaim[]): TicketRecord[] => {
  const known = new Set(projects.map(({ id }) => id))
  const called = Map.groupBy(claims, ({ ticket }) => (ticket === null ? undefined : debtorOf(ticket)))
  return [...called].flatMap(([project, leaving]): TicketRecord[] => {
    if (project === undefined || !known.has(project)) return []
    const claim = askedBy(project, { id: debtTicket(project), amounts: {}, startedAtMs: 0 })
    return [{ claim, held: {}, sinceMs: 0, expiresAtMs: -1, victims: leaving.map(({ subject }) => subject) }]
  })
}

/** Makes the tables' running numbers and paths what the engine says; gives how many cells were otherwise. */
export const writeTree = async (tx: Tx, rootId: string, engine: QuotaEngine): Promise<number> => {
  const before = new Map((await cellsOfRoot(tx, rootId)).map((row) => [`${row.node} ${row.resource}`, row]))
  let changed = 0
  for (const row of cellsOf(rootId, engine)) {
    const key = `${row.node} ${row.resource}`,
      old = before.get(key)
    before.delete(key)
    if (old && isSameCell(old, row)) continue
    await cellWrite(tx, row)
    changed++
  }
  for (const row of before.values()) await cellDelete(tx, row)
  await writePaths(tx, rootId, engine)
  return changed + before.size
}

/** Stored cells that are not what the engine says, as `resource at node`. */
export const treeDrift = async (executor: Executor, rootId: string, engine: QuotaEngine): Promise<string[]> => {
  const right = new Map(cellsOf(rootId, engine).map((row) => [`${row.resource} at ${row.node}`, row]))
  return (await cellsOfRoot(executor, rootId))
    .map((row) => ({ row, name: `${row.resource} at ${row.node}` }))
    .filter(({ row, name }) => !right.has(name) || !isRightCell(row, right.get(name)!))
    .map(({ name }) => name)
}

/** A stored cell may be watched, and not sheltered, for longer than it has to be: that costs time and nothing else. */
const isRightCell = (stored: CellRow, right: CellRow): boolean => {
  if (right.watched > stored.watched || stored.sheltered > right.sheltered) return false
  const isWatched = stored.watched === 1 && right.watched === 1
  const { subtree, ceiling } = isWatched ? right : stored
  return isSameCell(stored, { ...right, subtree, ceiling, watched: stored.watched, sheltered: stored.sheltered })
}

const writePaths = async (tx: Tx, rootId: string, engine: QuotaEngine): Promise<void> => {
  for (const stored of await projectsOfRoot(tx, rootId)) {
    const path = pathOf(engine, engine.tree.project(stored.id))
    if (path.join() !== stored.path.join()) await projectUpdate(tx, stored.id, { path })
  }
}

const pathOf = ({ tree }: QuotaEngine, project: Project): string[] => {
  const path: string[] = []
  for (let node = project.leaf; node >= 0; node = tree.ledger.parents[node]!) path.push(tree.nodeName(node))
  return path
}

const cellsOf = (rootId: string, { tree }: QuotaEngine): CellRow[] =>
  [...tree.projects].flatMap((project) =>
    [...new Set([project.node, project.leaf])].flatMap((node) =>
      tree.resources.map((name, resource) => ({ ...cellOf(tree, node, resource), resource: name, root_id: rootId })),
    ),
  )

/** What fits below does not follow from what fits the bounds: there is a ceiling of its own, or a debt. */
const isWatched = (tree: QuotaTree, node: number, resource: number): boolean => {
  const { ledger } = tree,
    project = tree.projectAt(node)
  const { ceiling } = (tree.isSelf(node) ? project.selfHoldings : project.holdings)[resource]!
  return ceiling !== null || ledger.debt(node, resource) > 0
}

const isSheltered = (tree: QuotaTree, leaf: number, resource: number): boolean => {
  for (let node = leaf; node >= 0; node = tree.ledger.parents[node]!)
    if (isWatched(tree, node, resource)) return false
  return true
}

const cellOf = (tree: QuotaTree, node: number, resource: number): Omit<CellRow, 'resource' | 'root_id'> => {
  const isLeaf = tree.projectAt(node).leaf === node,
    kept = tree.ledger.keptCell(node, resource),
    watched = isWatched(tree, node, resource)
  return {
    node: tree.nodeName(node),
    visible: toWire(kept.visible),
    counted: kept.counted,
    subtree: watched ? kept.subtree : 0,
    private: toWire(kept.private),
    bound: toWire(kept.bound),
    ceiling: watched ? toWire(kept.ceiling) : -1,
    lendable: toWire(kept.lendable),
    borrow: toWire(kept.borrow),
    reserved: isLeaf ? tree.projectAt(node).reserved[resource]! : 0,
    watched: toFlag(watched),
    is_leaf: toFlag(isLeaf),
    sheltered: toFlag(isLeaf && isSheltered(tree, node, resource)),
  }
}
