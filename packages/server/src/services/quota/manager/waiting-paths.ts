/** The part of a tree that those who wait look at: the nodes from their projects to the root, as the tables say. */
import { ceilingToWire, fromWire } from '#engines/quota/amounts.ts'
import { Ledger, NO_NODE } from '#engines/quota/ledger.ts'
import type { Block } from '#engines/quota/ledger.ts'
import type { QuotaRefusal } from '#engines/quota/refusals.ts'
import { reachable } from '#engines/quota/rights.ts'
import type { SharingTree } from '#engines/quota/rights.ts'
import type { SelfHolding } from '#engines/quota/settings.ts'
import { compareEqualRights, nextInLine } from '#engines/quota/waiting.ts'
import type { Waiter } from '#engines/quota/waiting.ts'
import type { Executor } from '#platform/db/database.ts'
import { fromJson } from '#platform/db/json.ts'
import type { Amounts } from '../facade.ts'
import { cellsOnPath } from '../store/cells.ts'
import { holdingsOf, projectsByIds } from '../store/projects.ts'
import type { StoredProject } from '../store/projects.ts'
import type { CellRow, HoldingRow } from '../store/tables.ts'
import { lineOf } from '../store/waiting.ts'
import type { StoredWaiting } from '../store/waiting.ts'

type Asking = Pick<StoredWaiting, 'projectId' | 'amounts'>
type Sharing = ReturnType<SharingTree['sharing']>
export type Candidate = Waiter & { asked: StoredWaiting }

const everybody: Sharing = { weight: 1, tier: 1 }

export class WaitingPaths implements SharingTree {
  readonly ledger = new Ledger()
  readonly #projects: ReadonlyMap<string, StoredProject>
  readonly #nodes = new Map<string, number>()
  readonly #names: string[] = []
  readonly #resources = new Map<string, number>()
  readonly #sharing: Map<number, Sharing>[] = []
  readonly #reserved = new Map<string, number>()
  readonly #known = new Set<string>()

  constructor(projects: readonly StoredProject[], cells: readonly CellRow[], holdings: readonly HoldingRow[]) {
    this.#projects = new Map(projects.map((project) => [project.id, project]))
    for (const { path } of projects) this.#plant(path)
    for (const cell of cells) this.#restore(cell)
    for (const row of holdings) this.#share(row)
  }

  #plant(path: readonly string[]): void {
    let parent = NO_NODE
    for (const name of path.toReversed()) {
      const known = this.#nodes.get(name)
      parent = known ?? this.ledger.addNode(parent)
      if (known !== undefined) continue
      this.#nodes.set(name, parent)
      this.#names[parent] = name
    }
  }

  #resource(name: string): number {
    const known = this.#resources.get(name)
    if (known !== undefined) return known
    const number = this.ledger.addResource()
    this.#resources.set(name, number)
    this.#sharing[number] = new Map()
    return number
  }

  #restore(cell: CellRow): void {
    this.#known.add(`${cell.node} ${cell.resource}`)
    this.#reserved.set(`${cell.node} ${cell.resource}`, cell.reserved)
    this.ledger.restoreCell(this.#nodes.get(cell.node)!, this.#resource(cell.resource), {
      visible: fromWire(cell.visible),
      counted: cell.counted,
      subtree: cell.subtree,
      private: fromWire(cell.private),
      bound: fromWire(cell.bound),
      ceiling: fromWire(cell.ceiling),
      lendable: fromWire(cell.lendable),
      borrow: fromWire(cell.borrow),
    })
  }

  #share({ project_id, resource, weight, tier, self }: HoldingRow): void {
    const number = this.#resources.get(resource)
    if (number === undefined) return
    const node = this.#nodes.get(project_id),
      own = this.#nodes.get(`${project_id}/self`)
    if (node !== undefined) this.#sharing[number]!.set(node, { weight, tier })
    if (own !== undefined && self !== null) this.#sharing[number]!.set(own, fromJson<SelfHolding>(self))
  }

  sharing(node: number, resource: number): Sharing {
    return this.#sharing[resource]!.get(node) ?? everybody
  }

  project(id: string): StoredProject | undefined {
    return this.#projects.get(id)
  }

  /** Whether all numbers that a request meets were there to be read. */
  knows({ projectId, amounts }: Asking): boolean {
    const path = this.#projects.get(projectId)?.path
    return (
      path !== undefined &&
      Object.keys(amounts).every((name) => path.every((node) => this.#known.has(`${node} ${name}`)))
    )
  }

  #leaf(projectId: string): number {
    return this.#nodes.get(this.#projects.get(projectId)!.path[0]!)!
  }

  candidate(asked: StoredWaiting): Candidate {
    const vector = {
      resources: Object.keys(asked.amounts).map((name) => this.#resources.get(name)!),
      amounts: Object.values(asked.amounts),
    }
    const { subject: id, priority, since: sinceMs } = asked
    return { id, leaf: this.#leaf(asked.projectId), vector, priority, sinceMs, asked }
  }

  /** `kept` is in use at its project now, and would be free for it. */
  fits({ projectId, amounts }: Asking, kept: Amounts = {}): boolean {
    const leaf = this.#leaf(projectId)
    const spare = Object.entries(kept).filter(([name]) => amounts[name] !== undefined)
    for (const [name, amount] of spare) this.ledger.apply(leaf, this.#resources.get(name)!, -amount)
    const does = Object.entries(amounts).every(([name, amount]) =>
      this.ledger.fits(leaf, this.#resources.get(name)!, amount),
    )
    for (const [name, amount] of spare) this.ledger.apply(leaf, this.#resources.get(name)!, amount)
    return does
  }

  count({ projectId, amounts }: Asking): void {
    const leaf = this.#leaf(projectId)
    for (const [name, amount] of Object.entries(amounts)) this.ledger.apply(leaf, this.#resources.get(name)!, amount)
  }

  /** What of a request is free now. */
  gatherable({ projectId, amounts }: Asking): Record<string, number> {
    const leaf = this.#leaf(projectId)
    const gained = Object.entries(amounts)
      .map(
        ([name, amount]) =>
          [name, Math.min(amount, this.ledger.available(leaf, this.#resources.get(name)!))] as const,
      )
      .filter(([, amount]) => amount > 0)
    return Object.fromEntries(gained)
  }

  /** Whether it could ever fit, if all above and beside it were idle. */
  couldFit({ projectId, amounts }: Asking): boolean {
    const leaf = this.#leaf(projectId)
    return Object.entries(amounts).every(([name, amount]) => amount <= this.#roomOf(leaf, this.#resources.get(name)!))
  }

  #roomOf(leaf: number, resource: number): number {
    let room = reachable(this.ledger, leaf, resource)
    for (let node = leaf; node !== NO_NODE; node = this.ledger.parents[node]!)
      room = Math.min(room, this.ledger.ceiling(node, resource))
    return room
  }

  /** What is in the way, nearest to the project; nothing: it fits. Of ancestors no more than the place is told. */
  refusalOf({ projectId, amounts }: Asking): QuotaRefusal | undefined {
    const leaf = this.#leaf(projectId)
    for (const [name, asked] of Object.entries(amounts)) {
      const block = this.ledger.blocks(leaf, this.#resources.get(name)!, asked)[0]
      if (block) return this.#refusal(block, { project: projectId, resource: name, asked })
    }
    return undefined
  }

  #refusal(block: Block, ask: Pick<QuotaRefusal, 'project' | 'resource' | 'asked'>): QuotaRefusal {
    const { node, resource, barrier } = block,
      leaf = this.#leaf(ask.project)
    const isRoot = this.ledger.parents[node] === NO_NODE,
      isOwn = node === leaf
    const code = isRoot ? 'SHORTAGE' : barrier === 'ceiling' ? 'CEILING' : isOwn ? 'BORROW' : 'SHORTAGE'
    const reserved = this.#reserved.get(`${this.#names[node]} ${ask.resource}`) ?? 0
    const available = this.ledger.available(leaf, resource)
    return {
      ...ask,
      code,
      node: this.#names[node]!.replace(/\/self$/, ''),
      limit: ceilingToWire(
        barrier === 'ceiling' ? this.ledger.ceiling(node, resource) : this.ledger.bound(node, resource),
      ),
      used: this.ledger.counted(node, resource) - reserved,
      reserved,
      available,
      missing: ask.asked - available,
      heldBy: [],
      remedy: 'It is served when others have released enough.',
    }
  }

  /** The order in which they are served if nothing changes, so many of it. */
  inOrder(waiting: readonly StoredWaiting[], max: number): StoredWaiting[] {
    const lines = [...Map.groupBy(waiting, lineOf).values()].map((line) =>
      line.map((asked) => this.candidate(asked)).sort(compareEqualRights),
    )
    const ordered: StoredWaiting[] = []
    while (ordered.length < max) {
      const next = nextInLine(
        this,
        lines.flatMap(([head]) => (head ? [head] : [])),
      )
      if (!next) break
      ordered.push(next.asked)
      lines.find(([head]) => head?.id === next.id)!.shift()
    }
    return ordered
  }
}

/** Reads the paths of some projects, with the cells of some resources and how each node shares them. */
export const readPaths = async (executor: Executor, asking: readonly Asking[]): Promise<WaitingPaths> => {
  const projects = await projectsByIds(executor, [...new Set(asking.map(({ projectId }) => projectId))])
  const nodes = [...new Set(projects.flatMap(({ path }) => path))],
    names = [...new Set(asking.flatMap(({ amounts }) => Object.keys(amounts)))]
  const cells = await cellsOnPath(executor, nodes, names)
  const ids = new Set(nodes.map((node) => node.replace(/\/self$/, '')))
  return new WaitingPaths(projects, cells, await holdingsOf(executor, [...ids]))
}
