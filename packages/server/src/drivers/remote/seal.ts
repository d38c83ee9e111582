/** The cryptography between the cloud and its agents: X25519, HKDF and AES-256-GCM, all of them Node's own. */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto'

export interface KeyPair {
  /** 32 bytes, base64url. */
  publicKey: string
  privateKey: KeyObject
}

/** What precedes 32 bytes of an X25519 private key in PKCS#8. */
const privatePrefix = Buffer.from('302e020100300506032b656e04220420', 'hex')
const nonceBytes = 12
const tagBytes = 16

/** The same 32 bytes always give the same pair. */
export const keyPairOf = (seed: Buffer): KeyPair => {
  const privateKey = createPrivateKey({ key: Buffer.concat([privatePrefix, seed]), format: 'der', type: 'pkcs8' })
  return { privateKey, publicKey: createPublicKey(privateKey).export({ format: 'jwk' }).x! }
}

export const newKeyPair = (): KeyPair => keyPairOf(randomBytes(32))

/** What only the holders of the two private keys can compute. Throws when `theirs` is no public key. */
export const sharedSecret = (own: KeyPair, theirs: string): Buffer => {
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: theirs }, format: 'jwk' })
  return diffieHellman({ privateKey: own.privateKey, publicKey })
}

/** 32 bytes for one purpose. */
export const derivedKey = (secret: Buffer, purpose: string, salt: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, salt, `quaystone ${purpose}`, 32))

const sealWith = (key: Buffer, nonce: Buffer, plain: Buffer, about: string): Buffer => {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(about))
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

const unsealWith = (key: Buffer, nonce: Buffer, sealed: Buffer, about: string): Buffer | undefined => {
  if (sealed.length < tagBytes) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(about))
  decipher.setAuthTag(sealed.subarray(-tagBytes))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()])
  } catch {
    return undefined // forged, damaged or for somebody else: all the same to the receiver
  }
}

/** A value that only the holders of `key` can read or write. `about` says what it is: a box opens as nothing else. */
export const sealBox = (key: Buffer, about: string, value: unknown): string => {
  const nonce = randomBytes(nonceBytes)
  return Buffer.concat([nonce, sealWith(key, nonce, Buffer.from(JSON.stringify(value)), about)]).toString('base64url')
}

/** Undefined: it was not sealed by a holder of `key`, or not as this. */
export const openBox = <T>(key: Buffer, about: string, box: unknown): T | undefined => {
  if (typeof box !== 'string') return undefined
  const bytes = Buffer.from(box, 'base64url')
  const plain = unsealWith(key, bytes.subarray(0, nonceBytes), bytes.subarray(nonceBytes), about)
  return plain && (JSON.parse(plain.toString()) as T)
}

const counterNonce = (count: number): Buffer => {
  const nonce = Buffer.alloc(nonceBytes)
  nonce.writeBigUInt64BE(BigInt(count), nonceBytes - 8)
  return nonce
}

/** Seals one direction of a link: each message has a number, and no number is ever used twice. */
export class Sealer {
  readonly #key: Buffer
  #count = 0
  constructor(key: Buffer) {
    this.#key = key
  }
  seal(plain: Buffer): string {
    const count = ++this.#count
    return `${count}.${sealWith(this.#key, counterNonce(count), plain, '').toString('base64')}`
  }
}

/** Opens what the other side's sealer made: in order, each once. What is repeated or forged opens as nothing. */
export class Unsealer {
  readonly #key: Buffer
  #last = 0
  constructor(key: Buffer) {
    this.#key = key
  }
  /** `isNext` false: messages before this one were lost. */
  open(text: unknown): { plain: Buffer; isNext: boolean } | undefined {
    const [number, sealed] = typeof text === 'string' ? text.split('.') : []
    const count = Number(number)
    if (!Number.isSafeInteger(count) || count <= this.#last || sealed === undefined) return undefined
    const plain = unsealWith(this.#key, counterNonce(count), Buffer.from(sealed, 'base64'), '')
    if (plain === undefined) return undefined
    const isNext = count === this.#last + 1
    this.#last = count
    return { plain, isNext }
  }
}
