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

/** Edges in pairs, each followed by its way back, so that `edge ^ 1` is the other one. */
class Network {
  readonly #edgesOf: number[][]
  readonly #to: number[] = []
  readonly #capacity: number[] = []

  constructor(size: number) {
    this.#edgesOf = Array.from({ length: size }, () => [])
  }

  add(from: number, to: number, capacity: number): void {
    if (capacity <= 0) return
    this.#edgesOf[from]!.push(this.#to.push(to) - 1)
    this.#edgesOf[to]!.push(this.#to.push(from) - 1)
    this.#capacity.push(Math.min(capacity, MANY), 0)
  }

  maxFlow(source: number, sink: number): number {
    let flow = 0
    for (let path = this.#shortestPath(source, sink); path; path = this.#shortestPath(source, sink)) {
      const width = Math.min(...path.map((edge) => this.#capacity[edge]!))
      for (const edge of path) {
        this.#capacity[edge]! -= width
        this.#capacity[edge ^ 1]! += width
      }
      flow += width
    }
    return flow
  }

  /** The edges of a way with capacity left, from the sink back. */
  #shortestPath(source: number, sink: number): number[] | undefined {
    const cameBy = new Int32Array(this.#edgesOf.length).fill(UNSEEN)
    cameBy[source] = START
    const queue = [source]
    for (const here of queue) {
      for (const edge of this.#edgesOf[here]!) {
        const next = this.#to[edge]!
        if (cameBy[next] !== UNSEEN || this.#capacity[edge]! <= 0) continue
        cameBy[next] = edge
        if (next === sink) return this.#trace(cameBy, sink)
        queue.push(next)
      }
    }
    return undefined
  }

  #trace(cameBy: Int32Array, sink: number): number[] {
    const edges: number[] = []
    for (let edge = cameBy[sink]!; edge !== START; edge = cameBy[this.#to[edge ^ 1]!]!) edges.push(edge)
    return edges
  }
}

const UNSEEN = -1
const START = -2
