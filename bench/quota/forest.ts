/** Trees for the quota benchmarks: regular, mixed in their modes, the same for the same seed. */
import { UNLIMITED } from '../../packages/server/src/engines/quota/amounts.ts'
import { QuotaTree } from '../../packages/server/src/engines/quota/tree.ts'

export interface ForestShape {
  branch: number
  depth: number
  resources: number
  mode: 'exclusive' | 'lend' | 'mixed'
  /** Capacity of a leaf. */
  own: number
}

export interface Forest {
  tree: QuotaTree
  leaves: string[]
  projects: number
}

/** Small, fast and the same everywhere: mulberry32. */
export const randomOf = (seed: number) => {
  let state = seed >>> 0
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const modeOf = (shape: ForestShape, own: number, number: number) => {
  if (shape.mode === 'exclusive') return { lend: 0, borrow: 0 }
  if (shape.mode === 'lend') return { lend: UNLIMITED, borrow: UNLIMITED }
  return { lend: Math.floor(own / 2), borrow: number % 3 === 0 ? 0 : Math.max(50, Math.floor(own / 10)) }
}

/** A whole tree of `depth` levels below one root; every inner project owns what its children own, and a pool. */
export const growForest = (shape: ForestShape): Forest => {
  const tree = new QuotaTree(),
    leaves: string[] = []
  for (let resource = 0; resource < shape.resources; resource++) tree.addResource(`r${resource}`)
  const ownAt = (level: number): number =>
    level === shape.depth
      ? shape.own
      : Math.ceil(shape.branch * ownAt(level + 1) * (shape.mode === 'mixed' ? 1.05 : 1))
  let made = 0
  const plant = (id: string, parent: string | null, level: number): void => {
    const own = ownAt(level),
      number = made++
    tree.addProject(id, parent)
    for (let resource = 0; resource < shape.resources; resource++)
      tree.configure(id, resource, { own, ...modeOf(shape, own, number), weight: 1 + (number % 4) })
    if (level === shape.depth) leaves.push(id)
    else for (let child = 0; child < shape.branch; child++) plant(`${id}.${child}`, id, level + 1)
    if (level === shape.depth || shape.mode !== 'mixed') return
    const pool = own - shape.branch * ownAt(level + 1)
    for (let resource = 0; resource < shape.resources; resource++) tree.configure(id, resource, { pool })
  }
  plant('org', null, 0)
  return { tree, leaves, projects: made }
}
