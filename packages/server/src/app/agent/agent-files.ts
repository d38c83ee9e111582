/** What an agent keeps between its starts: who it is, and whose. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { secret } from '#platform/ids/ids.ts'
import { StartProblem } from '../data-dir.ts'

export interface AgentIdentity {
  /** Proves that this is the machine that took its name. */
  hostKey: string
  /** The cloud that it joined; absent until it did. */
  cloudId?: string
}

export class AgentFiles {
  readonly networkPath: string
  readonly gateDir: string
  readonly #path: string
  #identity: AgentIdentity

  /** Throws `StartProblem` when the directory cannot be used. */
  constructor(dataDir: string) {
    this.networkPath = join(dataDir, 'network.jsonl')
    this.gateDir = join(dataDir, 'gates')
    this.#path = join(dataDir, 'agent.json')
    try {
      mkdirSync(dataDir, { recursive: true, mode: 0o700 })
      this.#identity = existsSync(this.#path)
        ? (JSON.parse(readFileSync(this.#path, 'utf8')) as AgentIdentity)
        : this.#write({ hostKey: secret(32) })
    } catch (error) {
      throw new StartProblem(
        `The data directory ${dataDir} cannot be used: ${(error as Error).message}. Choose one with --data-dir.`,
      )
    }
  }

  get identity(): AgentIdentity {
    return this.#identity
  }

  /** The marks on this host are of one cloud: another one may not take it over. */
  joined(cloudId: string): void {
    const known = this.#identity.cloudId
    if (known === cloudId) return
    if (known !== undefined)
      throw new StartProblem(
        `This data directory belongs to cloud ${known}, the token to cloud ${cloudId}: choose another --data-dir.`,
      )
    this.#identity = this.#write({ ...this.#identity, cloudId })
  }

  #write(identity: AgentIdentity): AgentIdentity {
    const fresh = `${this.#path}.new`
    writeFileSync(fresh, JSON.stringify(identity), { mode: 0o600 })
    renameSync(fresh, this.#path)
    return identity
  }
}
