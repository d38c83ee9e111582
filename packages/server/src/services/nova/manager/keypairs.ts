/** The rules of key pairs, which belong to a user in every project. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, conflict, notFound, overLimit } from '#platform/errors/errors.ts'
import * as store from '../store/keypairs.ts'
import { generateSsh, sshFingerprint, x509Fingerprint } from './key-material.ts'
import { generateX509 } from './key-certificate.ts'
import type { Keypair } from './model.ts'
import type { NovaParts } from './parts.ts'

export interface KeypairDraft { userId: string; name: string; type: 'ssh' | 'x509'; publicKey?: string }

const missing = (name: string, userId: string) => notFound(`Keypair ${name} not found for user ${userId}`)

export class Keypairs {
  readonly #parts: NovaParts
  constructor(parts: NovaParts) { this.#parts = parts }

  /** Makes a pair, or takes the public half that the user brings; only then is there no private key to return. */
  async create(caller: RequestContext, draft: KeypairDraft): Promise<{ keypair: Keypair; privateKey?: string }> {
    await this.#assertRoom(caller.projectId, draft.userId)
    const { publicKey, fingerprint, privateKey } = await this.#material(draft)
    const { userId, name, type } = draft
    const row = { userId, name, type, publicKey, fingerprint, createdAt: this.#parts.clock.now() }
    const keypair = await this.#parts.db.transaction((tx) => store.keypairInsert(tx, row))
    if (!keypair) throw conflict(`Key pair '${name}' already exists.`)
    return { keypair, privateKey }
  }

  async fetch(userId: string, name: string): Promise<Keypair> {
    const keypair = await store.keypairFetch(this.#parts.db, userId, name)
    if (!keypair) throw missing(name, userId)
    return keypair
  }

  async list(userId: string, page: { marker?: string; limit?: number }): Promise<Keypair[]> {
    if (page.marker !== undefined && !(await store.keypairFetch(this.#parts.db, userId, page.marker))) {
      throw badRequest(`Marker ${page.marker} could not be found.`)
    }
    return store.keypairsList(this.#parts.db, userId, { afterName: page.marker, limit: page.limit })
  }

  async delete(userId: string, name: string): Promise<void> {
    if (await this.#parts.db.transaction((tx) => store.keypairDelete(tx, userId, name))) return
    throw missing(name, userId)
  }

  async #material({ type, publicKey, userId }: KeypairDraft): Promise<{
    publicKey: string
    fingerprint: string
    privateKey?: string
  }> {
    if (publicKey === undefined) return type === 'ssh' ? generateSsh() : generateX509(userId, this.#parts.clock.now())
    const text = publicKey.trim()
    return { publicKey: text, fingerprint: type === 'ssh' ? sshFingerprint(text) : x509Fingerprint(text) }
  }

  async #assertRoom(projectId: string, userId: string): Promise<void> {
    const limits = await this.#parts.facades.quota.limits(projectId)
    const limit = limits.key_pairs ?? 100
    if (limit < 0) return
    const used = (await store.keypairsList(this.#parts.db, userId)).length
    if (used < limit) return
    throw overLimit('Quota exceeded, too many key pairs.', {
      resource: 'key_pairs', used, limit, asked: 1, remedy: 'delete a key pair',
    })
  }
}
