/** Seals secrets for the database: AES-256-GCM under a key derived from this data directory's master key. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const version = 'v1.'

export class Seal {
  readonly #key: Buffer
  constructor(masterKey: Buffer, purpose: string) {
    this.#key = Buffer.from(hkdfSync('sha256', masterKey, '', `quaystone keystone ${purpose}`, 32))
  }

  close(text: string): string {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce)
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return version + sealed.toString('base64url')
  }

  /** @throws Error when the text was sealed under another key or changed since. */
  open(sealed: string): string {
    const bytes = Buffer.from(sealed.slice(version.length), 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, 12))
    decipher.setAuthTag(bytes.subarray(-16))
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8')
  }
}
