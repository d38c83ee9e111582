/** What a token carries and how it is written: a few dozen bytes, encrypted and authenticated, safe in a header. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

export type TokenScope =
  | { kind: 'unscoped' }
  | { kind: 'project' | 'domain' | 'trust' | 'applicationCredential'; id: string }
  | { kind: 'system' }

/** Ids only: names, roles and whether it all still holds are looked up when the token is used. */
export interface TokenPayload {
  methods: string[]
  userId: string
  scope: TokenScope
  issuedAt: number
  expiresAt: number
  /** This token's own id, then the one its chain began with, if another. */
  auditIds: string[]
}

const formatVersion = 1
const nonceBytes = 12
const tagBytes = 16
/** Positions are bits of the format: only ever append. */
const methodBits = ['password', 'token', 'application_credential', 'totp', 'ec2credential', 'external']
const scopeKinds: TokenScope['kind'][] = ['unscoped', 'project', 'domain', 'system', 'trust', 'applicationCredential']

/** Tokens begin with a letter, so that no shell or client takes one for an option. */
const prefix = 'qk'

const hexPattern = /^[0-9a-f]{32}$/

/** 32 hexadecimal digits take 17 bytes; any other id its length and one. */
const writeId = (id: string): Buffer => {
  if (hexPattern.test(id)) return Buffer.concat([Buffer.of(0), Buffer.from(id, 'hex')])
  const bytes = Buffer.from(id)
  if (bytes.length === 0 || bytes.length > 255) throw new Error(
    `An id of ${bytes.length} bytes does not fit into a token`
  )
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

const writeTime = (ms: number): Buffer => {
  const bytes = Buffer.alloc(6)
  bytes.writeUIntBE(ms, 0, 6)
  return bytes
}

export const encodePayload = (payload: TokenPayload): Buffer => {
  const methods = payload.methods.reduce((bits, method) => bits | (1 << methodBits.indexOf(method)), 0)
  const { scope } = payload
  return Buffer.concat([
    Buffer.of(formatVersion, methods, scopeKinds.indexOf(scope.kind)),
    writeTime(payload.issuedAt), writeTime(payload.expiresAt),
    writeId(payload.userId),
    ...('id' in scope ? [writeId(scope.id)] : []),
    ...payload.auditIds.map((id) => Buffer.from(id, 'base64url')),
  ])
}

class Reader {
  readonly #bytes: Buffer
  #at = 0
  constructor(bytes: Buffer) { this.#bytes = bytes }
  byte(): number { return this.#bytes.readUInt8(this.#at++) }
  time(): number { this.#at += 6; return this.#bytes.readUIntBE(this.#at - 6, 6) }
  take(length: number): Buffer { this.#at += length; return this.#bytes.subarray(this.#at - length, this.#at) }
  id(): string {
    const length = this.byte()
    return length === 0 ? this.take(16).toString('hex') : this.take(length).toString()
  }
  get left(): number { return this.#bytes.length - this.#at }
}

/** Undefined: written by a version of the format that this program does not know. */
export const decodePayload = (bytes: Buffer): TokenPayload | undefined => {
  const reader = new Reader(bytes)
  if (reader.byte() !== formatVersion) return undefined
  const bits = reader.byte()
  const kind = scopeKinds[reader.byte()]
  if (kind === undefined) return undefined
  const [issuedAt, expiresAt, userId] = [reader.time(), reader.time(), reader.id()]
  const scope: TokenScope = kind === 'unscoped' || kind === 'system' ? { kind } : { kind, id: reader.id() }
  const auditIds: string[] = []
  while (reader.left >= 16) auditIds.push(reader.take(16).toString('base64url'))
  return { methods: methodBits.filter((_, bit) => bits & (1 << bit)), userId, scope, issuedAt, expiresAt, auditIds }
}

export const newAuditId = (): string => randomBytes(16).toString('base64url')

export const encryptToken = (payload: TokenPayload, key: Buffer): string => {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return prefix + Buffer.concat([
    nonce, cipher.update(encodePayload(payload)), cipher.final(), cipher.getAuthTag(),
  ]).toString('base64url')
}

const shortest = nonceBytes + tagBytes + 32
const longest = 1024

const openWith = (bytes: Buffer, key: Buffer): Buffer | undefined => {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
  decipher.setAuthTag(bytes.subarray(-tagBytes))
  const text = decipher.update(bytes.subarray(nonceBytes, -tagBytes))
  try {
    return Buffer.concat([text, decipher.final()])
  } catch {
    return undefined // The tag does not fit: not this key's, or not a token at all. The caller tries the next key.
  }
}

/** Undefined: none of the keys has made this text. */
export const decryptToken = (token: string, keys: readonly Buffer[]): TokenPayload | undefined => {
  if (token.length > longest || !/^qk[A-Za-z0-9_-]+$/.test(token)) return undefined
  const bytes = Buffer.from(token.slice(prefix.length), 'base64url')
  if (bytes.length < shortest) return undefined
  for (const key of keys) {
    const text = openWith(bytes, key)
    if (text) return decodePayload(text)
  }
  return undefined
}
