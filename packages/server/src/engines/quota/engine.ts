/** The quota engine: claims on a tree of projects, admitted, refused with reasons, or served by taking loans back. */
import { isAmount, positive, UNLIMITED } from './amounts.ts'
import type { Ask, Notice, Outcome, QuotaEvent } from './asks.ts'
import { ClaimBook } from './claims.ts'
import type { Claim, Vector } from './claims.ts'
import type { Block } from './ledger.ts'
import { entitlements } from './deserved.ts'
import type { Entitlement } from './deserved.ts'
import { afterReclaim, isForgettable } from './reclaim-memory.ts'
import type { ReclaimMemory } from './reclaim-memory.ts'
import { ReclaimPlanner } from './reclaim-planner.ts'
import { codeOf, emptyRefusal, explainBlock } from './refusals.ts'
import type { QuotaRefusal } from './refusals.ts'
import { ownsAt } from './rights.ts'
import { RuleBroken } from './rules.ts'
import { TicketRack } from './tickets.ts'
import type { Ticket } from './tickets.ts'
import type { Project, QuotaTree } from './tree.ts'
import type { Victim } from './victims.ts'

export class QuotaEngine {
  readonly tree: QuotaTree
  readonly book = new ClaimBook()
  readonly tickets: TicketRack
  /** By lineage. */
  readonly histories = new Map<string, ReclaimMemory>()
  readonly planner: ReclaimPlanner
  readonly #expiring = new Set<Claim>()
  #events: QuotaEvent[] = []
  /** How many claims were ever numbered. */
  claimsNumbered = 0

  constructor(tree: QuotaTree) {
    this.tree = tree
    this.tickets = new TicketRack(tree)
    this.planner = new ReclaimPlanner(this)
  }

  /** What happened since the last call, in order. */
  takeEvents(): QuotaEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  claim(ask: Ask, nowMs: number): Outcome {
    const first = this.#firstAnswer(ask.id)
    if (first) return first
    const parsed = this.#parse(ask)
    if ('code' in parsed) return { state: 'refused', refusal: parsed }
    const { project, vector } = parsed
    if (this.fits(project.leaf, vector)) return this.#admit(this.#makeClaim(ask, project, vector, nowMs))
    if (ask.whenFull !== 'reclaim') return { state: 'refused', refusal: this.refusalOf(project, vector) }
    return this.#reclaimFor(this.#makeClaim(ask, project, vector, nowMs), ask, nowMs)
  }

  /** All or none: the first refusal takes back what was admitted before it. */
  claimAll(asks: readonly Ask[], nowMs: number): Outcome[] {
    const outcomes: Outcome[] = [],
      fresh: string[] = []
    for (const ask of asks) {
      const known = this.book.find(ask.id) !== undefined
      const outcome = this.claim({ ...ask, whenFull: 'refuse' }, nowMs)
      outcomes.push(outcome)
      if (outcome.state === 'refused') {
        for (const id of fresh.reverse()) this.#drop(this.book.find(id)!)
        return [outcome]
      }
      if (!known) fresh.push(ask.id)
    }
    return outcomes
  }

  #firstAnswer(id: string): Outcome | undefined {
    const claim = this.book.find(id)
    if (claim) return { state: claim.state === 'reserved' ? 'reserved' : 'committed', claim: id }
    const ticket = this.tickets.find(id)
    return ticket && this.#ticketOutcome(ticket, [])
  }

  #parse(ask: Ask): { project: Project; vector: Vector } | QuotaRefusal {
    const project = this.tree.find(ask.project)
    if (!project) return emptyRefusal('NO_PROJECT', ask.project, '', 0, 'Create the project first.')
    const resources: number[] = [],
      amounts: number[] = []
    for (const name in ask.amounts) {
      const amount = ask.amounts[name]!
      if (amount === 0) continue
      const resource = this.tree.resourceNumber(name)
      if (resource === undefined)
        return emptyRefusal(
          'NOT_REGISTERED',
          ask.project,
          name,
          amount,
          'Register the resource with a default limit.',
        )
      if (!isAmount(amount) || amount === UNLIMITED)
        return emptyRefusal('BAD_AMOUNT', ask.project, name, amount, 'Ask for a whole number of units.')
      resources.push(resource)
      amounts.push(amount)
    }
    return { project, vector: { resources, amounts } }
  }

  /** Would all of the vector fit at the leaf now? */
  fits(leaf: number, { resources, amounts }: Vector): boolean {
    for (let index = 0; index < resources.length; index++) {
      if (!this.tree.ledger.fits(leaf, resources[index]!, amounts[index]!)) return false
    }
    return true
  }

  #makeClaim(ask: Ask, project: Project, vector: Vector, nowMs: number): Claim {
    return {
      id: ask.id,
      project,
      vector,
      state: 'reserved',
      reclaimable: ask.reclaimable ?? 'never',
      priority: ask.priority ?? 0,
      startedAtMs: nowMs,
      number: ++this.claimsNumbered,
      lineage: ask.lineage ?? ask.id,
      graceMs: ask.graceMs ?? -1,
      expiresAtMs: ask.ttlMs === undefined ? UNLIMITED : nowMs + ask.ttlMs,
    }
  }

  #admit(claim: Claim): Outcome {
    this.#count(claim, 1)
    this.#enter(claim)
    return { state: 'reserved', claim: claim.id }
  }

  /** Puts back a claim that a store remembers, without asking whether it fits. */
  restoreClaim(claim: Claim): void {
    this.#count(claim, 1)
    this.#enter(claim)
  }

  #enter(claim: Claim): void {
    this.book.add(claim)
    this.#touch(claim)
    if (claim.expiresAtMs !== UNLIMITED) this.#expiring.add(claim)
  }

  /** It may be, or be no longer, who is taken back next. */
  #touch(claim: Claim): void {
    this.tree.ledger.touched?.add(claim.project.leaf)
  }

  #count(claim: Claim, sign: 1 | -1): void {
    const {
      project: { leaf, reserved },
      vector: { resources, amounts },
    } = claim
    for (let index = 0; index < resources.length; index++) {
      const resource = resources[index]!,
        amount = sign * amounts[index]!
      this.tree.ledger.apply(leaf, resource, amount)
      if (claim.state === 'reserved') reserved[resource]! += amount
    }
  }

  /** Why the vector does not fit, at the place nearest to the project. */
  refusalOf(project: Project, vector: Vector, triedReclaim = false): QuotaRefusal {
    const index = vector.resources.findIndex(
      (resource, at) => !this.tree.ledger.fits(project.leaf, resource, vector.amounts[at]!),
    )
    const resource = vector.resources[index]!,
      asked = vector.amounts[index]!
    const block = this.tree.ledger.blocks(project.leaf, resource, asked)[0]!
    let code = codeOf(this.tree, block)
    if (triedReclaim && code === 'SHORTAGE' && !this.#isOwnersBelow(project, vector, block)) code = 'NO_RIGHT'
    return explainBlock(this.tree, block, project.leaf, asked, code)
  }

  /** Would the claimant's side of `ancestor` stay within its own? Where it has no siblings nobody else has anything. */
  #isOwnersBelow(project: Project, vector: Vector, { node: ancestor, resource }: Block): boolean {
    let side = project.leaf
    if (side === ancestor) return true
    while (side !== ancestor && this.tree.ledger.parents[side] !== ancestor) side = this.tree.ledger.parents[side]!
    return ownsAt(this.tree.ledger, { leaf: project.leaf, vector, priority: 0, ownOnly: true }, side, resource)
  }

  #reclaimFor(claim: Claim, ask: Ask, nowMs: number): Outcome {
    const victims = this.planner.plan(claim, nowMs)
    const waits = !victims && this.tree.policy(claim.project, 'reclaim') === 'natural' && this.planner.isOwner(claim)
    if (!victims && !waits)
      return {
        state: 'refused',
        refusal: this.refusalOf(claim.project, claim.vector, this.planner.mayReclaim(claim.project)),
      }
    const ticket: Ticket = {
      id: claim.id,
      project: claim.project,
      vector: claim.vector,
      held: claim.vector.amounts.map(() => 0),
      sinceMs: nowMs,
      expiresAtMs: ask.ttlMs === undefined ? UNLIMITED : nowMs + ask.ttlMs,
      victims: new Set(),
      claim,
    }
    this.tickets.add(ticket)
    const notices = (victims ?? []).map((victim) => this.#giveNotice(victim, ticket, nowMs))
    if (this.tickets.gather(ticket)) this.#serve(ticket, nowMs)
    return this.#ticketOutcome(ticket, notices)
  }

  #ticketOutcome(ticket: Ticket, notices: Notice[]): Outcome {
    if (ticket.victims.size === 0 && notices.length === 0) return this.#withoutNotice(ticket)
    const dueMs = Math.max(0, ...[...ticket.victims].map((victim) => victim.reclaim!.deadlineMs))
    return { state: 'reclaiming', claim: ticket.id, notices, dueMs }
  }

  /** Served by what was free after all, or waiting for what others give back without being told to. */
  #withoutNotice({ id }: Ticket): Outcome {
    return { state: this.book.find(id) ? 'reserved' : 'waiting', claim: id }
  }

  #giveNotice({ claim, right }: Victim, ticket: Ticket, nowMs: number): Notice {
    const deadlineMs = nowMs + this.planner.graceOf(claim, ticket.project)
    this.#settleReserved(claim)
    claim.state = 'reclaiming'
    this.#touch(claim)
    claim.reclaim = { deadlineMs, ticket: ticket.id, noticeAtMs: nowMs }
    ticket.victims.add(claim)
    const notice = { claim: claim.id, project: claim.project.id, deadlineMs, right }
    this.#events.push({ type: 'notice', forClaim: ticket.id, ...notice })
    return { ...notice, order: this.tree.policy(claim.project, 'victimOrder') }
  }

  #serve(ticket: Ticket, nowMs: number): void {
    this.tickets.close(ticket)
    this.#cancelNotices(ticket)
    const { claim } = ticket
    this.#enter({ ...claim, startedAtMs: nowMs })
    this.#events.push({ type: 'granted', claim: claim.id, project: claim.project.id })
  }

  /** Whoever has not ended yet may stay. */
  #cancelNotices(ticket: Ticket): void {
    for (const victim of ticket.victims) {
      victim.state = 'committed'
      this.#touch(victim)
      delete victim.reclaim
      this.#events.push({ type: 'noticeCancelled', claim: victim.id, project: victim.project.id })
    }
    ticket.victims.clear()
  }

  commit(id: string): void {
    this.#settleReserved(this.#held(id))
  }

  #settleReserved(claim: Claim): void {
    if (claim.state !== 'reserved') return
    claim.vector.resources.forEach((resource, index) => {
      claim.project.reserved[resource]! -= claim.vector.amounts[index]!
    })
    claim.state = 'committed'
    claim.expiresAtMs = UNLIMITED
    this.#expiring.delete(claim)
  }

  #held(id: string): Claim {
    const claim = this.book.find(id)
    if (!claim)
      throw new RuleBroken('NO_CLAIM', `There is no claim ${id}: it was never made, was released, or had expired.`, {
        claim: id,
      })
    return claim
  }

  /** Gives a claim, or a waiting ticket, back. Unknown ids are none: releasing twice is releasing once. */
  release(id: string, nowMs: number): void {
    const ticket = this.tickets.find(id)
    if (ticket) this.#abandon(ticket)
    const claim = this.book.find(id)
    if (claim) this.#drop(claim)
    if (claim?.reclaim) this.#noteReclaimed(claim, nowMs)
    if (claim || ticket) this.serveTickets(nowMs, claim?.reclaim?.ticket)
  }

  #abandon(ticket: Ticket): void {
    this.#cancelNotices(ticket)
    this.tickets.giveBack(ticket)
  }

  #drop(claim: Claim): void {
    this.#count(claim, -1)
    this.book.remove(claim)
    this.#touch(claim)
    this.#expiring.delete(claim)
    if (claim.reclaim) this.tickets.find(claim.reclaim.ticket)?.victims.delete(claim)
  }

  /** Gives a part of a claim back; never takes more, whatever is asked. */
  shrink(id: string, amounts: Readonly<Record<string, number>>, nowMs: number): void {
    const claim = this.#held(id)
    this.#count(claim, -1)
    const kept = claim.vector.resources
      .map((resource, index) => ({
        resource,
        amount: positive(claim.vector.amounts[index]! - positive(amounts[this.tree.resources[resource]!] ?? 0)),
      }))
      .filter(({ amount }) => amount > 0)
    claim.vector = { resources: kept.map(({ resource }) => resource), amounts: kept.map(({ amount }) => amount) }
    this.#count(claim, 1)
    this.serveTickets(nowMs)
  }

  #noteReclaimed({ lineage, project }: Claim, nowMs: number): void {
    const terms = {
      graceMs: this.tree.policy(project, 'graceMs'),
      reclaimsMax: this.tree.policy(project, 'reclaimsMax'),
    }
    this.histories.set(lineage, afterReclaim(lineage, this.histories.get(lineage), terms, nowMs))
  }

  #forgetOldReclaims(nowMs: number): void {
    for (const memory of this.histories.values()) {
      if (isForgettable(memory, nowMs)) this.histories.delete(memory.lineage)
    }
  }

  /** The project must use nothing; what waits for it is given up, and its quota is its parent's again. */
  removeProject(id: string): void {
    const project = this.tree.project(id)
    this.tree.removeProject(id)
    for (const ticket of this.tickets.all()) if (ticket.project === project) this.#abandon(ticket)
    for (const claim of this.book.all()) if (claim.project === project) this.#drop(claim)
  }

  /** Offers what is free to the tickets: first to the one it was freed for, then oldest first. */
  serveTickets(nowMs: number, first?: string): void {
    if (this.tickets.size === 0) return
    const preferred = first === undefined ? undefined : this.tickets.find(first)
    for (const ticket of preferred ? [preferred, ...this.tickets.all()] : this.tickets.all()) {
      if (this.tickets.find(ticket.id) && this.tickets.gather(ticket)) this.#serve(ticket, nowMs)
    }
  }

  /**
   * Time has passed: expire reservations and tickets, name the containers that are due, plan again for who is stuck.
   */
  tick(nowMs: number): void {
    for (const claim of this.#expiring) {
      if (claim.expiresAtMs > nowMs) continue
      this.#drop(claim)
      this.#events.push({ type: 'expired', claim: claim.id, project: claim.project.id })
    }
    this.#forgetOldReclaims(nowMs)
    for (const ticket of this.tickets.all()) this.#tickTicket(ticket, nowMs)
    this.serveTickets(nowMs)
  }

  #tickTicket(ticket: Ticket, nowMs: number): void {
    if (ticket.expiresAtMs <= nowMs) {
      this.#abandon(ticket)
      this.#events.push({ type: 'expired', claim: ticket.id, project: ticket.project.id })
      return
    }
    for (const victim of ticket.victims) {
      if (victim.reclaim!.deadlineMs <= nowMs)
        this.#events.push({ type: 'due', claim: victim.id, project: victim.project.id })
    }
    if (ticket.victims.size > 0) return
    const victims = this.planner.plan(ticket.claim, nowMs, ticket)
    for (const victim of victims ?? []) this.#giveNotice(victim, ticket, nowMs)
  }

  /** Fair entitlement of every node now: what is used, reserved, gathered and still asked for by tickets counts. */
  deserved(resource: number, pending: ReadonlyMap<Project, number> = new Map()): Entitlement {
    const waiting = new Map<Project, number>(pending)
    for (const { project, vector, held } of this.tickets.all()) {
      const index = vector.resources.indexOf(resource)
      if (index >= 0) waiting.set(project, (waiting.get(project) ?? 0) + vector.amounts[index]! - held[index]!)
    }
    return entitlements(
      this.tree,
      resource,
      (leaf) => this.tree.ledger.counted(leaf, resource) + (waiting.get(this.tree.projectAt(leaf)) ?? 0),
    )
  }
}
