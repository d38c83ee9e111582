/** A state machine as one literal table, from which checks, drawings, SQL and exhaustive tests derive. */

/** For each state, the events it accepts and where each leads. A final state has an empty row. */
export type MachineTable = Record<string, Record<string, string>>

/** Every target must be a state of the same table. */
type Closed<Table extends MachineTable> = {
  [From in keyof Table]: { [Event in keyof Table[From]]: keyof Table & string }
}

export type StateOf<Table extends MachineTable> = keyof Table & string
export type EventOf<Table extends MachineTable> = { [From in keyof Table]: keyof Table[From] & string }[keyof Table]

export interface Move<State extends string> { from: State; to: State }

export interface Machine<State extends string = string, Event extends string = string> {
  readonly name: string
  readonly initial: State
  readonly states: readonly State[]
  readonly events: readonly Event[]
  allows(state: string, event: Event): boolean
  /** Where `event` leads from `state`; undefined when the state does not accept it. */
  target(state: string, event: Event): State | undefined
  /** The states that accept `event`. */
  sourcesOf(event: Event): State[]
  /** The same with where each leads. */
  movesOf(event: Event): Move<State>[]
  /** The events that `state` accepts. */
  eventsOf(state: string): Event[]
  /** True when nothing leads out of `state`. */
  isFinal(state: string): boolean
  isState(text: string): text is State
  /** The drawing, as a Mermaid state diagram. */
  mermaid(): string
}

export function defineMachine<const Table extends MachineTable>(definition: {
  name: string
  initial: NoInfer<StateOf<Table>>
  table: Table & Closed<Table>
}): Machine<StateOf<Table>, EventOf<Table>> {
  return new TableMachine<StateOf<Table>, EventOf<Table>>(definition.name, definition.initial, definition.table)
}

class TableMachine<State extends string, Event extends string> implements Machine<State, Event> {
  readonly name: string
  readonly initial: State
  readonly states: readonly State[]
  readonly events: readonly Event[]
  readonly #table: ReadonlyMap<string, ReadonlyMap<string, State>>

  constructor(name: string, initial: State, table: MachineTable) {
    this.name = name
    this.initial = initial
    this.states = Object.keys(table) as State[]
    this.events = [...new Set(Object.values(table).flatMap(Object.keys))] as Event[]
    this.#table = new Map(Object.entries(table)
      .map(([from, row]) => [from, new Map(Object.entries(row) as [string, State][])]))
    this.#assertClosed()
  }

  allows(state: string, event: Event): boolean { return this.target(state, event) !== undefined }

  target(state: string, event: Event): State | undefined { return this.#table.get(state)?.get(event) }

  sourcesOf(event: Event): State[] { return this.states.filter((state) => this.allows(state, event)) }

  movesOf(event: Event): Move<State>[] {
    return this.states.flatMap((from) => {
      const to = this.target(from, event)
      return to === undefined ? [] : [{ from, to }]
    })
  }

  eventsOf(state: string): Event[] { return [...this.#table.get(state)?.keys() ?? []] as Event[] }

  isFinal(state: string): boolean { return this.#table.get(state)?.size === 0 }

  isState(text: string): text is State { return this.#table.has(text) }

  mermaid(): string {
    const arrows = this.states.flatMap((from) => this.eventsOf(from)
      .map((event) => `  ${from} --> ${this.target(from, event)}: ${event}`))
    const ends = this.states.filter((state) => this.isFinal(state)).map((state) => `  ${state} --> [*]`)
    return ['stateDiagram-v2', `  [*] --> ${this.initial}`, ...arrows, ...ends, ''].join('\n')
  }

  /** The types say so already; this catches a table that was built instead of written. */
  #assertClosed(): void {
    for (const [from, row] of this.#table) {
      for (const [event, to] of row) {
        if (!this.#table.has(to)) {
          throw new Error(`Machine ${this.name}: ${from} --${event}--> ${to}, but ${to} is not a state`)
        }
      }
    }
    if (!this.#table.has(this.initial)) {
      throw new Error(`Machine ${this.name}: the initial state ${this.initial} is not a state`)
    }
  }
}
