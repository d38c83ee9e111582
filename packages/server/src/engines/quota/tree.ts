/** The tree of projects and what each holds of each resource; keeps own = self + pool + allocated at every project. */
import { AMOUNT_MAX, positive, UNLIMITED } from './amounts.ts'
import { drawingMore, drawnFrom } from './drawn.ts'
import { Ledger, NO_NODE } from './ledger.ts'
import { PlantedProject } from './project.ts'
import type { Project } from './project.ts'
import { capOf, drawsOnParent, exclusive, policyDefault, selfDefault, wrongField } from './settings.ts'
import type { Holding, Policy, SelfHolding } from './settings.ts'
import { RuleBroken } from './rules.ts'

export type { Project } from './project.ts'

/** The Kilo numbers of one project and resource, and where the capacity came from. */
export interface ProjectNumbers {
  own: number
  pool: number
  selfOwn: number
  allocated: number
  used: number
  reserved: number
  /** What children of −1 use of what is not given away; Cinder counts it as allocated. */
  drawn: number
  free: number
}

export interface ConfigureOptions {
  /** Skips the test against present use; never what was given away. */
  force?: boolean
}

export interface GrantOptions extends ConfigureOptions {
  child?: Project
}

export interface RangeOptions extends ConfigureOptions {
  /** The pool that is set at the same time; default: the present one. */
  pool?: number
}

export class QuotaTree {
  readonly ledger = new Ledger()
  readonly resources: string[] = []
  readonly #resourceNumbers = new Map<string, number>()
  readonly #projects = new Map<string, Project>()
  readonly #byNode: Project[] = []
  /** How often a project's policy was set. */
  policyChanges = 0
  readonly #notePolicy = () => void this.policyChanges++

  addResource(name: string): number {
    const known = this.#resourceNumbers.get(name)
    if (known !== undefined) return known
    const resource = this.ledger.addResource()
    this.resources.push(name)
    this.#resourceNumbers.set(name, resource)
    for (const project of this.#projects.values()) this.#addColumn(project)
    return resource
  }

  resourceNumber(name: string): number | undefined {
    return this.#resourceNumbers.get(name)
  }
  get projects(): Iterable<Project> {
    return this.#projects.values()
  }
  get roots(): Project[] {
    return [...this.#projects.values()].filter((project) => project.parent === null)
  }
  find(id: string): Project | undefined {
    return this.#projects.get(id)
  }
  projectAt(node: number): Project {
    return this.#byNode[node]!
  }
  isSelf(node: number): boolean {
    return this.projectAt(node).node !== node
  }
  /** The project's id, with `/self` for the leaf of a project that has children. */
  nodeName(node: number): string {
    return this.projectAt(node).id + (this.isSelf(node) ? '/self' : '')
  }

  project(id: string): Project {
    const project = this.#projects.get(id)
    if (!project) throw new RuleBroken('NO_PROJECT', `Project ${id} is not in the quota tree.`, { project: id })
    return project
  }

  addProject(id: string, parentId: string | null, policy: Partial<Policy> = {}): Project {
    if (this.#projects.has(id))
      throw new RuleBroken('PROJECT_EXISTS', `Project ${id} is in the quota tree already.`, { project: id })
    const parent = parentId === null ? null : this.project(parentId)
    if (parent) this.#giveSelf(parent)
    const node = this.ledger.addNode(parent?.node ?? NO_NODE)
    const project = new PlantedProject({ id, parent, node, policy }, this.#notePolicy)
    this.#projects.set(id, project)
    this.#byNode[node] = project
    parent?.children.add(project)
    for (let resource = 0; resource < this.resources.length; resource++) this.#addColumn(project)
    return project
  }

  #addColumn(project: Project): void {
    project.holdings.push({ ...exclusive })
    project.selfHoldings.push({ ...selfDefault })
    project.allocated.push(0)
    project.reserved.push(0)
    project.drawing.push(0)
    this.#write(project, project.holdings.length - 1)
  }

  /** A project that gets its first child keeps its own containers in a leaf of its own. */
  #giveSelf(project: Project): void {
    if (project.leaf !== project.node) return
    this.#rehome(project, () => {
      project.leaf = this.ledger.addNode(project.node)
      this.#byNode[project.leaf] = project
    })
  }

  /** A project without children is a leaf itself. */
  #takeSelf(project: Project): void {
    if (project.leaf === project.node || project.children.size > 0) return
    this.#rehome(project, () => {
      this.ledger.removeNode(project.leaf)
      project.leaf = project.node
    })
  }

  #rehome(project: Project, change: () => void): void {
    const used = this.resources.map((_, resource) => this.ledger.counted(project.leaf, resource))
    used.forEach((amount, resource) => this.ledger.apply(project.leaf, resource, -amount))
    change()
    used.forEach((amount, resource) => {
      this.#write(project, resource)
      this.ledger.apply(project.leaf, resource, amount)
    })
  }

  removeProject(id: string): void {
    const project = this.project(id)
    if (project.children.size > 0)
      throw new RuleBroken('HAS_CHILDREN', `Project ${id} has child projects; remove them first.`, { project: id })
    this.resources.forEach((name, resource) => {
      if (this.ledger.subtree(project.node, resource) === 0) return
      throw new RuleBroken('IN_USE', `Project ${id} still uses ${name}; release it first.`, {
        project: id,
        resource: name,
      })
    })
    this.resources.forEach((_, resource) => this.#set(project, resource, { ...exclusive }))
    this.ledger.removeNode(project.node)
    this.#projects.delete(id)
    if (!project.parent) return
    project.parent.children.delete(project)
    this.#takeSelf(project.parent)
  }

  numbers(project: Project, resource: number): ProjectNumbers {
    const { own, pool } = project.holdings[resource]!
    const allocated = project.allocated[resource]!,
      reserved = project.reserved[resource]!
    const used = this.ledger.counted(project.leaf, resource) - reserved
    const unused = own - used - reserved - allocated,
      drawn = drawnFrom(this.ledger, project, resource, { unused })
    return { own, pool, selfOwn: own - pool - allocated, allocated, used, reserved, drawn, free: unused - drawn }
  }

  /**
   * What the project could give to a child: its unallocated own part, less what its own containers and those who draw
   * on it use. What the child itself draws it may get.
   */
  grantable(project: Project, resource: number, { force, child }: GrantOptions = {}): number {
    const { selfOwn, pool, allocated, used, reserved } = this.numbers(project, resource)
    // Without a limit too, what is given away stays countable.
    if (selfOwn === UNLIMITED) return AMOUNT_MAX - allocated
    if (force) return selfOwn
    const rest = selfOwn - used - reserved
    const drawn = drawnFrom(this.ledger, project, resource, { unused: rest + pool, except: child })
    return positive(rest - positive(drawn - pool))
  }

  /** What own may be set to: above what is used, drawn and given away, within what the parent can add. */
  ownRange(
    project: Project,
    resource: number,
    { force = false, pool }: RangeOptions = {},
  ): { min: number; max: number } {
    const { own, allocated, used, reserved, drawn, pool: poolNow } = this.numbers(project, resource)
    const shared = project.children.size > 0 ? (pool ?? poolNow) : 0,
      kept = allocated + shared
    const max = project.parent ? own + this.grantable(project.parent, resource, { force, child: project }) : UNLIMITED
    return { min: force ? kept : kept + used + reserved + positive(drawn - shared), max }
  }

  configure(id: string, resource: number, change: Partial<Holding>, options: ConfigureOptions = {}): void {
    const project = this.project(id),
      before = project.holdings[resource]!
    const after = { ...before, ...change }
    this.#checkFields(project, resource, after)
    if (after.own !== before.own) this.#checkOwn(project, resource, after, options)
    if (after.own < after.pool + project.allocated[resource]!) this.#refusePool(project, resource, after)
    this.#set(project, resource, after)
  }

  /** Settings that a store remembers: what was right when it was written is not asked again. */
  restoreHolding(id: string, resource: number, holding: Holding): void {
    this.#set(this.project(id), resource, holding)
  }

  configureSelf(id: string, resource: number, change: Partial<SelfHolding>): void {
    const project = this.project(id)
    const after = { ...project.selfHoldings[resource]!, ...change }
    const wrong = wrongField(after)
    if (wrong) this.#refuseField(project, resource, wrong)
    project.selfHoldings[resource] = after
    this.#write(project, resource)
  }

  #set(project: Project, resource: number, after: Holding): void {
    const before = project.holdings[resource]!,
      delta = after.own - before.own
    project.holdings[resource] = after
    if (project.parent) project.parent.drawing[resource]! += drawingMore(before, after)
    // Taken before it is given, so that no moment has the capacity twice.
    if (project.parent && delta !== 0) {
      project.parent.allocated[resource]! += delta
      this.#write(project.parent, resource)
    }
    this.#write(project, resource)
  }

  /** Writes a project's settings to its cells. */
  #write(project: Project, resource: number): void {
    const holding = project.holdings[resource]!
    const { own, pool, lend } = holding
    const borrow = project.parent ? holding.borrow : 0
    const cap = capOf({ own, borrow, ceiling: holding.ceiling })
    // All that is counted below a root is counted there as well: no sum anywhere leaves the whole numbers.
    const cell = { lend, borrow, ceiling: project.parent ? cap : Math.min(cap, AMOUNT_MAX) }
    if (project.leaf === project.node) return this.ledger.configure(project.node, resource, { ...cell, base: own })
    const self = project.selfHoldings[resource]!,
      selfOwn = positive(own - pool - project.allocated[resource]!)
    this.ledger.configure(project.leaf, resource, {
      base: selfOwn,
      lend: self.lend,
      borrow: self.borrow,
      ceiling: capOf({ own: selfOwn, borrow: self.borrow, ceiling: self.ceiling }),
    })
    this.ledger.configure(project.node, resource, { ...cell, base: pool })
  }

  #checkFields(project: Project, resource: number, after: Holding): void {
    const wrong = wrongField(after)
    if (wrong) this.#refuseField(project, resource, wrong)
    const unlimitedChild = project.parent && after.own === UNLIMITED
    if (unlimitedChild) this.#refuseField(project, resource, 'own')
    if (after.pool === UNLIMITED) this.#refuseField(project, resource, 'pool')
    if (after.ceiling !== null && after.ceiling < after.own) this.#refuseField(project, resource, 'ceiling')
  }

  #refuseField(project: Project, resource: number, field: string): never {
    throw new RuleBroken(
      'BAD_SETTING',
      `${field} of ${this.resources[resource]} at ${project.id} is out of its range.`,
      {
        project: project.id,
        resource: this.resources[resource]!,
        field,
      },
    )
  }

  #checkOwn(project: Project, resource: number, { own, pool }: Holding, { force }: ConfigureOptions): void {
    const { min, max } = this.ownRange(project, resource, { force, pool })
    const before = project.holdings[resource]!.own
    const details = { project: project.id, resource: this.resources[resource]!, min, max, asked: own }
    if (own < before && own < min)
      throw new RuleBroken('BELOW_USE', `${details.resource} of ${project.id} must be at least ${min}.`, details)
    if (own > before && own > max)
      throw new RuleBroken('ABOVE_PARENT', `${details.resource} of ${project.id} must be at most ${max}.`, details)
  }

  #refusePool(project: Project, resource: number, after: Holding): never {
    const allocated = project.allocated[resource]!
    throw new RuleBroken('POOL_TOO_LARGE', `The pool of ${project.id} may hold at most ${after.own - allocated}.`, {
      project: project.id,
      resource: this.resources[resource]!,
      max: after.own - allocated,
      asked: after.pool,
    })
  }

  /** A field of the policy, inherited from the nearest project that sets it. */
  policy<K extends keyof Policy>(project: Project, field: K): Policy[K] {
    for (let at: Project | null = project; at; at = at.parent) {
      const value = at.policy[field]
      if (value !== undefined) return value as Policy[K]
    }
    return policyDefault[field]
  }

  /** How a node takes part in its parent's sharing. */
  sharing(node: number, resource: number): { weight: number; tier: number } {
    const project = this.projectAt(node)
    return this.isSelf(node) ? project.selfHoldings[resource]! : project.holdings[resource]!
  }

  /**
   * Hangs a project below another parent. Its own part goes back to the old parent and must be grantable at the new
   * one; what it uses must fit there.
   */
  moveProject(id: string, parentId: string): void {
    const project = this.project(id),
      target = this.project(parentId),
      from = project.parent
    if (!from) throw new RuleBroken('ROOT', `Project ${id} is a root and cannot be moved.`, { project: id })
    for (let at: Project | null = target; at; at = at.parent) {
      if (at === project) throw new RuleBroken('CYCLE', `Project ${parentId} is below ${id}.`, { project: id })
    }
    this.#checkGrants(project, target)
    this.#giveSelf(target)
    this.#rehang(project, target)
    const over = this.#overcommitted(target)
    if (over) this.#rehang(project, from)
    this.#takeSelf(over ? target : from)
    if (!over) return
    throw new RuleBroken('DOES_NOT_FIT', `What ${id} uses of ${over} does not fit below ${parentId}.`, {
      project: id,
      resource: over,
    })
  }

  #checkGrants(project: Project, target: Project): void {
    this.resources.forEach((name, resource) => {
      const { own } = project.holdings[resource]!,
        max = this.grantable(target, resource)
      if (own > max)
        throw new RuleBroken('ABOVE_PARENT', `${target.id} can give at most ${max} ${name}.`, {
          project: target.id,
          resource: name,
          max,
          asked: own,
        })
    })
  }

  #rehang(project: Project, target: Project): void {
    const from = project.parent!
    from.children.delete(project)
    target.children.add(project)
    project.parent = target
    this.ledger.move(project.node, target.node)
    project.holdings.forEach((holding, resource) => {
      const { own } = holding,
        drawing = Number(drawsOnParent(holding))
      from.allocated[resource]! -= own
      target.allocated[resource]! += own
      from.drawing[resource]! -= drawing
      target.drawing[resource]! += drawing
      this.#write(from, resource)
      this.#write(target, resource)
    })
  }

  #overcommitted(target: Project): string | undefined {
    for (let at: Project | null = target; at; at = at.parent) {
      const { node } = at
      const over = this.resources.findIndex((_, resource) => this.ledger.debt(node, resource) > 0)
      if (over >= 0) return this.resources[over]
    }
    return undefined
  }
}
