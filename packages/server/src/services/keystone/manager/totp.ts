/** Time-based one-time passwords (RFC 6238): SHA-1, six digits, steps of thirty seconds, as authenticator apps do. */
import { createHmac } from 'node:crypto'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const stepMs = 30_000

const base32 = (text: string): Buffer => {
  let bits = ''
  for (const letter of text.toUpperCase().replace(/=+$/, '')) {
    const value = alphabet.indexOf(letter)
    if (value < 0) return Buffer.alloc(0)
    bits += value.toString(2).padStart(5, '0')
  }
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => parseInt(byte, 2)) ?? [])
}

const passcode = (key: Buffer, step: number): string => {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const digest = createHmac('sha1', key).update(counter).digest()
  const offset = digest.at(-1)! & 0xf
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

/** The passcodes of now and of one step before, for slow typists; none when the secret is not base32. */
export const passcodesAt = (secret: string, nowMs: number): string[] => {
  const key = base32(secret)
  if (key.length === 0) return []
  const step = Math.floor(nowMs / stepMs)
  return [passcode(key, step), passcode(key, step - 1)]
}
