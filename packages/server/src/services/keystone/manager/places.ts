/** Projects and domains, looked up for every login: kept in memory until anything changes. */
import type { Database } from '#platform/db/database.ts'
import { projects } from '../store/entity-store.ts'
import type { Project } from '../store/tables.ts'
import { Remembered } from './remembered.ts'
import type { TokenMemory } from './token-memory.ts'

export class Places {
  readonly #db: Database
  readonly #known: Remembered<Project>

  constructor(db: Database, memory: TokenMemory) {
    this.#db = db
    this.#known = new Remembered(memory)
  }

  fetch(id: string): Promise<Project | undefined> {
    return this.#known.get(`id ${id}`, () => projects.fetch(this.#db, id))
  }

  /** `domainId` is empty for a domain's own name. */
  find(domainId: string, name: string): Promise<Project | undefined> {
    return this.#known.get(`name ${domainId} ${name}`, () => projects.find(this.#db, { domain_id: domainId, name }))
  }
}
