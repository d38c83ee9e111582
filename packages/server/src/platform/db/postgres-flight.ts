/** Statements that go to PostgreSQL together: one message, one answer, and none is run after one that failed. */
import type pg from 'pg'

/** One statement. A connection parses a named text once, and soon plans it no more. */
export interface FlightPart {
  text: string
  values?: readonly unknown[]
  name?: string
}

/** What `pg` offers a query object that writes its own messages. */
interface Wire {
  stream: { cork(): void; uncork(): void }
  close(message: { type: 'S'; name: string }): void
  parse(message: { name: string; text: string }): void
  bind(message: { statement: string; values: unknown[] }): void
  describe(message: { type: 'P' }): void
  execute(message: object): void
  sync(): void
}

type Module = Pick<typeof pg, 'Query'>

/** Prepared as `pg` itself would send it. */
type Mapped = Required<FlightPart>

/** Sends flights over one connection and knows which names that has. */
export class Flights {
  readonly #pg: Module
  readonly #client: pg.PoolClient
  readonly #known = new Set<string>()

  constructor(module: Module, client: pg.PoolClient) {
    this.#pg = module
    this.#client = client
  }

  /**
   * Gives a result for each part. They share one Sync, so that PostgreSQL skips all that follows a part that failed: a
   * statement behind a `start transaction` that failed is not run outside of a transaction, and no commit follows a
   * failure. The failure is thrown; the transaction is then open still, if it was begun.
   */
  fly(parts: readonly FlightPart[]): Promise<pg.QueryResult[]> {
    const { prepareValue } = (this.#pg as unknown as { utils: { prepareValue(value: unknown): unknown } }).utils
    const mapped = parts.map(({ text, values = [], name = '' }) => ({ text, name, values: values.map(prepareValue) }))
    return new Promise((resolve, reject) => {
      const query = new this.#pg.Query({ text: parts[0]!.text }, (error, result) => {
        if (error) return reject(error)
        for (const { name } of mapped) if (name !== '') this.#known.add(name)
        resolve([result].flat() as unknown as pg.QueryResult[])
      })
      query.submit = (connection) => this.#send(connection as unknown as Wire, mapped)
      this.#client.query(query)
    })
  }

  #send(wire: Wire, parts: readonly Mapped[]): void {
    wire.stream.cork()
    try {
      for (const part of parts) this.#sendPart(wire, part)
      wire.sync()
    } finally {
      wire.stream.uncork()
    }
  }

  #sendPart(wire: Wire, { text, name, values }: Mapped): void {
    if (!this.#known.has(name)) {
      // An earlier flight may have failed with it or after it: nobody knows if it is there, and closing is no error.
      if (name !== '') wire.close({ type: 'S', name })
      wire.parse({ name, text })
    }
    wire.bind({ statement: name, values: [...values] })
    wire.describe({ type: 'P' })
    wire.execute({})
  }
}
