/** One project of the tree, and what it holds of each resource. */
import type { Holding, Policy, SelfHolding } from './settings.ts'

export interface Project {
  readonly id: string
  parent: Project | null
  readonly children: Set<Project>
  readonly node: number
  /** Where the project's own use is counted: `node`, or a leaf below it once there are children. */
  leaf: number
  /** By resource number. */
  readonly holdings: Holding[]
  readonly selfHoldings: SelfHolding[]
  readonly allocated: number[]
  readonly reserved: number[]
  /** How many children draw on what it has not given away. */
  readonly drawing: number[]
  /** The order of victims is set with the whole; the other fields one by one, too. */
  policy: Partial<Policy>
}

export type ProjectStart = Pick<Project, 'id' | 'parent' | 'node' | 'policy'>

/** Without any resource at first; `policySet` is called whenever its policy is replaced. */
export class PlantedProject implements Project {
  readonly id: string
  parent: Project | null
  readonly children = new Set<Project>()
  readonly node: number
  leaf: number
  readonly holdings: Holding[] = []
  readonly selfHoldings: SelfHolding[] = []
  readonly allocated: number[] = []
  readonly reserved: number[] = []
  readonly drawing: number[] = []
  #policy: Partial<Policy>
  readonly #policySet: () => void

  constructor({ id, parent, node, policy }: ProjectStart, policySet: () => void) {
    this.id = id
    this.parent = parent
    this.node = node
    this.leaf = node
    this.#policy = policy
    this.#policySet = policySet
  }

  get policy(): Partial<Policy> {
    return this.#policy
  }
  set policy(policy: Partial<Policy>) {
    this.#policy = policy
    this.#policySet()
  }
}
