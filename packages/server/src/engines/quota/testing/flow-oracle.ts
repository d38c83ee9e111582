/** An independent judge of one resource, by max-flow. */

/**
 * Builds the flow network that the semantics describe and asks max-flow. Shares
 * no code with the engine. Capacity starts at `base`, climbs at most `lend`, comes down at most `borrow`; on the other
 * side what is used passes every ceiling on its way to the sink.
 */

export interface JudgedNode {
  parent: number
  base: number
  lend: number
  borrow: number
  ceiling: number
  /** Use or demand; of leaves only. */
  use: number
}

const MANY = 1e12

/** How much of everybody's use can be satisfied at once. */
export const satisfiable = (nodes: readonly JudgedNode[]): number => {
  const count = nodes.length,
    source = 2 * count,
    sink = source + 1
  const network = new Network(sink + 1)
  nodes.forEach((node, index) => {
    network.add(source, index, node.base)
    network.add(index, count + index, node.use)
    network.add(count + index, node.parent < 0 ? sink : count + node.parent, node.ceiling)
    if (node.parent < 0) return
    network.add(index, node.parent, node.lend)
    network.add(node.parent, index, node.borrow)
  })
  return network.maxFlow(source, sink)
}

export const isSatisfiable = (nodes: readonly JudgedNode[]): boolean =>
  satisfiable(nodes) === nodes.reduce((sum, node) => sum + node.use, 0)

class Network {
  readonly #size: number
  readonly #capacity: number[][]

  constructor(size: number) {
    this.#size = size
    this.#capacity = Array.from({ length: size }, () => new Array<number>(size).fill(0))
  }

  add(from: number, to: number, capacity: number): void {
    this.#capacity[from]![to]! += Math.min(capacity, MANY)
  }

  maxFlow(source: number, sink: number): number {
    let flow = 0
    for (let path = this.#shortestPath(source, sink); path; path = this.#shortestPath(source, sink)) {
      const width = Math.min(...path.map(([from, to]) => this.#capacity[from]![to]!))
      for (const [from, to] of path) {
        this.#capacity[from]![to]! -= width
        this.#capacity[to]![from]! += width
      }
      flow += width
    }
    return flow
  }

  #shortestPath(source: number, sink: number): [number, number][] | undefined {
    const cameFrom = new Map<number, number>([[source, -1]])
    const queue = [source]
    for (const here of queue) {
      if (here === sink) return this.#trace(cameFrom, sink)
      for (let next = 0; next < this.#size; next++) {
        if (cameFrom.has(next) || this.#capacity[here]![next]! <= 0) continue
        cameFrom.set(next, here)
        queue.push(next)
      }
    }
    return undefined
  }

  #trace(cameFrom: Map<number, number>, sink: number): [number, number][] {
    const edges: [number, number][] = []
    for (let to = sink; cameFrom.get(to)! >= 0; to = cameFrom.get(to)!) edges.push([cameFrom.get(to)!, to])
    return edges
  }
}
