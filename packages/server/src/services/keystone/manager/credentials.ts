/** Credentials that Keystone keeps for users: EC2 key pairs, TOTP seeds, anything a client wants sealed. */
import { createHash, randomBytes } from 'node:crypto'
import { hexId } from '#platform/ids/ids.ts'
import { credentials, projects, users } from '../store/entity-store.ts'
import type { Credential, Extra } from '../store/tables.ts'
import type { Ground } from './ground.ts'
import { found, invalid, taken } from './refusals.ts'
import type { Seal } from './seal.ts'

/** `blob` is open here: the text as the client gave it. */
export interface CredentialChanges {
  user_id?: string
  project_id?: string | null
  type?: string
  blob?: string
  extra?: Extra
}

export interface Ec2Pair { access: string; secret: string; user_id: string; tenant_id: string; trust_id: string | null }

/** An EC2 credential is found by its access key, so its id is made from it. */
export const ec2CredentialId = (access: string): string => createHash('sha256').update(access).digest('hex')

export class Credentials {
  readonly #ground: Ground
  readonly #seal: Seal
  constructor(ground: Ground, seal: Seal) {
    this.#ground = ground
    this.#seal = seal
  }

  get #db() { return this.#ground.db }

  async fetch(id: string): Promise<Credential> { return this.#opened(found(
    await credentials.fetch(this.#db, id), 'credential', id,
  )) }

  async find(id: string): Promise<Credential | undefined> {
    const credential = await credentials.fetch(this.#db, id)
    return credential && this.#opened(credential)
  }

  async list(match: { user_id?: string; type?: string } = {}): Promise<Credential[]> {
    return (await credentials.list(this.#db, match)).map((credential) => this.#opened(credential))
  }

  async create(wanted: CredentialChanges & { user_id: string; type: string; blob: string }): Promise<Credential> {
    const credential: Credential = {
      id: wanted.type === 'ec2' ? ec2CredentialId(accessIn(wanted.blob)) : hexId(), user_id: wanted.user_id,
      project_id: wanted.project_id ?? null,
      type: wanted.type, blob: this.#seal.close(wanted.blob), extra: wanted.extra ?? {},
    }
    if (credential.type === 'ec2' && credential.project_id === null) {
      throw invalid(
        'Expecting to find project_id in ec2 credential.', 'project_id',
      )
    }
    await this.#db.transaction(async (tx) => {
      if (await credentials.fetch(tx, credential.id)) throw taken('credential', 'Duplicate entry')
      await credentials.insert(tx, credential)
    })
    return this.#opened(credential)
  }

  async update(id: string, changes: CredentialChanges): Promise<Credential> {
    await this.#db.transaction(async (tx) => {
      const before = found(await credentials.fetch(tx, id), 'credential', id)
      const { blob, extra, ...rest } = changes
      const after = {
        ...before, ...rest, extra: { ...before.extra, ...extra },
        ...(blob !== undefined && { blob: this.#seal.close(blob) }),
      }
      if (after.type === 'ec2' && after.project_id === null) {
        throw invalid(
          'Expecting to find project_id in ec2 credential.', 'project_id',
        )
      }
      await credentials.update(tx, id, after)
    })
    return await this.fetch(id)
  }

  async remove(id: string): Promise<void> {
    if (!await credentials.remove(this.#db, id)) found(undefined, 'credential', id)
  }

  async createEc2(userId: string, projectId: string): Promise<Ec2Pair> {
    found(await users.fetch(this.#db, userId), 'user', userId)
    found(await projects.fetch(this.#db, projectId), 'project', projectId)
    const [access, secret] = [hexId(), randomBytes(16).toString('hex')]
    const blob = JSON.stringify({ access, secret, trust_id: null })
    await this.create({ user_id: userId, project_id: projectId, type: 'ec2', blob })
    return { access, secret, user_id: userId, tenant_id: projectId, trust_id: null }
  }

  async listEc2(userId: string): Promise<Ec2Pair[]> {
    found(await users.fetch(this.#db, userId), 'user', userId)
    return (await this.list({ user_id: userId, type: 'ec2' })).map(pairOf)
  }

  async fetchEc2(access: string): Promise<Ec2Pair> { return pairOf(await this.fetch(ec2CredentialId(access))) }

  #opened(credential: Credential): Credential { return { ...credential, blob: this.#seal.open(credential.blob) } }
}

const parsed = (blob: string): { access?: unknown; secret?: unknown; trust_id?: unknown } | undefined => {
  try {
    const value: unknown = JSON.parse(blob)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined // Not JSON: the caller says so.
  }
}

const accessIn = (blob: string): string => {
  const access = parsed(blob)?.access
  if (typeof access !== 'string') {
    throw invalid(
      'Invalid blob in credential: an ec2 credential holds JSON text with access and secret.', 'blob',
    )
  }
  return access
}

const pairOf = (credential: Credential): Ec2Pair => {
  const blob = parsed(credential.blob) ?? {}
  return {
    access: String(blob.access), secret: String(blob.secret), user_id: credential.user_id,
    tenant_id: credential.project_id ?? '', trust_id: typeof blob.trust_id === 'string' ? blob.trust_id : null,
  }
}
