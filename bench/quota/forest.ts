/** Trees for the quota benchmarks: regular, mixed in their modes, the same for the same seed. */
import { UNLIMITED } from '../../packages/server/src/engines/quota/amounts.ts'
import { QuotaTree } from '../../packages/server/src/engines/quota/tree.ts'

export interface ForestShape {
  /** How many children each project of a level has, from the root down: as many levels below the root. */
  branches: readonly number[]
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

export const regular = (branch: number, depth: number): number[] => Array.from({ length: depth }, () => branch)

/** All of depth 6, in steps from the root: a hundred times the projects, paths of the same seven. */
export const sizesOfOneDepth = [
  { title: '1,093 projects', branches: regular(3, 6) },
  { title: '10,005 projects', branches: [4, 4, 4, 5, 5, 5] },
  { title: '100,843 projects', branches: [6, 6, 7, 7, 7, 7] },
] as const

const modeOf = (shape: ForestShape, own: number, number: number) => {
  if (shape.mode === 'exclusive') return { lend: 0, borrow: 0 }
  if (shape.mode === 'lend') return { lend: UNLIMITED, borrow: UNLIMITED }
  return { lend: Math.floor(own / 2), borrow: number % 3 === 0 ? 0 : Math.max(50, Math.floor(own / 10)) }
}

/** A whole tree below one root; every inner project owns what its children own, and a pool. */
export const growForest = (shape: ForestShape): Forest => {
  const tree = new QuotaTree(),
    { branches } = shape,
    leaves: string[] = []
  for (let resource = 0; resource < shape.resources; resource++) tree.addResource(`r${resource}`)
  const ownAt = (level: number): number =>
    level === branches.length
      ? shape.own
      : Math.ceil(branches[level]! * ownAt(level + 1) * (shape.mode === 'mixed' ? 1.05 : 1))
  let made = 0
  const plant = (id: string, parent: string | null, level: number): void => {
    const own = ownAt(level),
      number = made++
    tree.addProject(id, parent)
    for (let resource = 0; resource < shape.resources; resource++)
      tree.configure(id, resource, { own, ...modeOf(shape, own, number), weight: 1 + (number % 4) })
    if (level === branches.length) leaves.push(id)
    else for (let child = 0; child < branches[level]!; child++) plant(`${id}.${child}`, id, level + 1)
    if (level === branches.length || shape.mode !== 'mixed') return
    const pool = own - branches[level]! * ownAt(level + 1)
    for (let resource = 0; resource < shape.resources; resource++) tree.configure(id, resource, { pool })
  }
  plant('org', null, 0)
  return { tree, leaves, projects: made }
}

/** Projects below `org` that own nothing and take what they can by weight; the names of the leaves. */
export const plantSharers = (tree: QuotaTree, branches: readonly number[], weightOf: (leaf: number) => number) => {
  const leaves: string[] = []
  const plant = (parent: string, [branch, ...below]: readonly number[]): void => {
    for (let child = 0; child < branch!; child++) {
      const id = `${parent}.${child}`,
        isLeaf = below.length === 0
      tree.addProject(id, parent)
      tree.configure(id, 0, { borrow: UNLIMITED, weight: isLeaf ? weightOf(leaves.length) : 1 + (child % 2) })
      if (isLeaf) leaves.push(id)
      else plant(id, below)
    }
  }
  plant('org', branches)
  return leaves
}
