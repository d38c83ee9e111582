/** Which nodes changed since somebody looked, each once: whoever keeps what follows from them has to ask no others. */
export class Touched {
  /** By node: 1, it was added already. To be looked at before `add` where a call is too much. */
  marks = new Uint8Array(64)
  #nodes: number[] = []
  /** Nodes came, went or moved: whatever was kept of the tree is to be made anew. */
  reshaped = true

  add(node: number): void {
    if (this.marks[node] === 1) return
    if (node >= this.marks.length) this.#grow(node)
    this.marks[node] = 1
    this.#nodes.push(node)
  }

  #grow(node: number): void {
    const marks = new Uint8Array(2 * (node + 1))
    marks.set(this.marks)
    this.marks = marks
  }

  get isEmpty(): boolean {
    return this.#nodes.length === 0
  }

  /** Those that were added since the last call. */
  take(): readonly number[] {
    const nodes = this.#nodes
    for (const node of nodes) this.marks[node] = 0
    this.#nodes = []
    this.reshaped = false
    return nodes
  }
}
