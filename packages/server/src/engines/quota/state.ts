/** The whole state as plain data: for stores, copies, audits and comparing two engines. */
import { fromWire, toWire } from './amounts.ts'
import type { Claim, Reclaimable } from './claims.ts'
import { QuotaEngine } from './engine.ts'
import type { ReclaimMemory } from './reclaim-memory.ts'
import type { Holding, Policy, SelfHolding } from './settings.ts'
import { QuotaTree } from './tree.ts'
import type { Project } from './tree.ts'

export interface ProjectState {
  id: string
  parent: string | null
  policy: Partial<Policy>
  /** Resource → settings; −1 for no limit. */
  holdings: Record<string, Holding>
  selfHoldings: Record<string, SelfHolding>
}

export interface ClaimRecord {
  id: string
  project: string
  amounts: Record<string, number>
  state: 'reserved' | 'committed' | 'reclaiming'
  reclaimable: Reclaimable
  priority: number
  startedAtMs: number
  number: number
  lineage: string
  graceMs: number
  /** −1: never. */
  expiresAtMs: number
  reclaim?: { deadlineMs: number; ticket: string; noticeAtMs: number }
}

export interface TicketRecord {
  claim: ClaimRecord
  held: Record<string, number>
  sinceMs: number
  expiresAtMs: number
  victims: string[]
}

export interface QuotaState {
  resources: string[]
  /** Parents before children. */
  projects: ProjectState[]
  claims: ClaimRecord[]
  tickets: TicketRecord[]
  /** What rule L must not forget between two requests. */
  histories: ReclaimMemory[]
  claimsNumbered: number
}

export const exportState = (engine: QuotaEngine): QuotaState => {
  const { tree, book, tickets, histories } = engine
  return {
    resources: [...tree.resources],
    projects: [...tree.roots].flatMap((root) => exportBranch(tree, root)),
    claims: [...book.all()].map((claim) => exportClaim(tree, claim)),
    tickets: tickets.all().map((ticket) => ({
      claim: exportClaim(tree, ticket.claim),
      held: named(tree, ticket.vector.resources, ticket.held),
      sinceMs: ticket.sinceMs,
      expiresAtMs: toWire(ticket.expiresAtMs),
      victims: [...ticket.victims].map((victim) => victim.id),
    })),
    histories: [...histories.values()].map((memory) => ({ ...memory })),
    claimsNumbered: engine.claimsNumbered,
  }
}

const exportBranch = (tree: QuotaTree, project: Project): ProjectState[] => [
  {
    id: project.id,
    parent: project.parent?.id ?? null,
    policy: { ...project.policy },
    holdings: Object.fromEntries(
      tree.resources.map((name, resource) => [name, mapLimits(project.holdings[resource]!, toWire)]),
    ),
    selfHoldings: Object.fromEntries(
      tree.resources.map((name, resource) => [name, mapLimits(project.selfHoldings[resource]!, toWire)]),
    ),
  },
  ...[...project.children].flatMap((child) => exportBranch(tree, child)),
]

const mapLimits = <H extends SelfHolding>(holding: H, change: (value: number) => number): H =>
  Object.fromEntries(
    Object.entries(holding).map(([field, value]) => [field, value === null ? null : change(value)]),
  ) as unknown as H

const named = (tree: QuotaTree, resources: readonly number[], amounts: readonly number[]): Record<string, number> =>
  Object.fromEntries(resources.map((resource, index) => [tree.resources[resource]!, amounts[index]!]))

const exportClaim = (tree: QuotaTree, claim: Claim): ClaimRecord => ({
  id: claim.id,
  project: claim.project.id,
  amounts: named(tree, claim.vector.resources, claim.vector.amounts),
  state: claim.state,
  reclaimable: claim.reclaimable,
  priority: claim.priority,
  startedAtMs: claim.startedAtMs,
  number: claim.number,
  lineage: claim.lineage,
  graceMs: claim.graceMs,
  expiresAtMs: toWire(claim.expiresAtMs),
  ...(claim.reclaim ? { reclaim: { ...claim.reclaim } } : {}),
})

/** Settings first, then claims: what was true of the exported state is not asked again. */
export const importState = (state: QuotaState): QuotaEngine => {
  const engine = new QuotaEngine(new QuotaTree())
  engine.claimsNumbered = state.claimsNumbered
  for (const name of state.resources) engine.tree.addResource(name)
  for (const project of state.projects) engine.tree.addProject(project.id, project.parent, { ...project.policy })
  for (const project of state.projects) importHoldings(engine.tree, project)
  for (const record of state.claims) engine.restoreClaim(importClaim(engine.tree, record))
  for (const record of state.tickets) importTicket(engine, record)
  for (const memory of state.histories) engine.histories.set(memory.lineage, { ...memory })
  return engine
}

const importHoldings = (tree: QuotaTree, { id, holdings, selfHoldings }: ProjectState): void => {
  for (const [name, holding] of Object.entries(holdings)) {
    tree.restoreHolding(id, tree.addResource(name), mapLimits(holding, fromWire))
  }
  for (const [name, holding] of Object.entries(selfHoldings))
    tree.configureSelf(id, tree.addResource(name), mapLimits(holding, fromWire))
}

export const importClaim = (tree: QuotaTree, { project, amounts, expiresAtMs, ...record }: ClaimRecord): Claim => {
  const entries = Object.entries(amounts).filter(([, amount]) => amount > 0)
  const vector = {
    resources: entries.map(([name]) => tree.addResource(name)),
    amounts: entries.map(([, amount]) => amount),
  }
  return { ...record, project: tree.project(project), vector, expiresAtMs: fromWire(expiresAtMs) }
}

const importTicket = (engine: QuotaEngine, record: TicketRecord): void => {
  const claim = importClaim(engine.tree, record.claim),
    { vector, project } = claim
  const held = vector.resources.map((resource) => record.held[engine.tree.resources[resource]!] ?? 0)
  const victims = new Set(record.victims.map((id) => engine.book.find(id)).filter((victim) => victim !== undefined))
  engine.tickets.restore({
    id: claim.id,
    project,
    vector,
    held,
    sinceMs: record.sinceMs,
    expiresAtMs: fromWire(record.expiresAtMs),
    victims,
    claim,
  })
}

/** The first number that differs from a rebuild out of settings and claims; nothing when all is consistent. */
export const audit = (engine: QuotaEngine): { resource: string; node: string; what: string } | undefined => {
  const { tree } = engine,
    fresh = importState(exportState(engine)).tree
  for (const project of tree.projects) {
    const twin = fresh.project(project.id)
    for (let resource = 0; resource < tree.resources.length; resource++) {
      const what = differing(tree, project, fresh, twin, resource)
      if (what) return { resource: tree.resources[resource]!, node: project.id, what }
    }
  }
  return undefined
}

const measures = ['visible', 'counted', 'subtree', 'private', 'bound', 'ceiling', 'lendable'] as const

const differing = (
  tree: QuotaTree,
  project: Project,
  fresh: QuotaTree,
  twin: Project,
  resource: number,
): string | undefined => {
  if (project.reserved[resource] !== twin.reserved[resource]) return 'reserved'
  if (project.allocated[resource] !== twin.allocated[resource]) return 'allocated'
  const nodes: [number, number][] = [
    [project.node, twin.node],
    ...(hasSelf(project) && hasSelf(twin) ? [[project.leaf, twin.leaf] as [number, number]] : []),
  ]
  return measures.find((measure) =>
    nodes.some(([mine, theirs]) => tree.ledger[measure](mine, resource) !== fresh.ledger[measure](theirs, resource)),
  )
}

const hasSelf = (project: Project): boolean => project.leaf !== project.node
