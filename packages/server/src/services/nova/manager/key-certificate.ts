/** A self-signed client certificate for key pairs of type x509: the DER that it takes, and nothing more. */
import { generateKeyPair, randomBytes, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { isoSeconds } from '#platform/clock/clock.ts'
import { x509Fingerprint } from './key-material.ts'
import type { KeyMaterial } from './key-material.ts'

const rsaBits = 2048
const validityMs = 10 * 365 * 24 * 3600 * 1000
const generate = promisify(generateKeyPair)

const lengthOf = (size: number): number[] => {
  if (size < 0x80) return [size]
  const bytes = size > 0xffff
    ? [size >> 16, (size >> 8) & 0xff, size & 0xff]
    : size > 0xff ? [size >> 8, size & 0xff] : [size]
  return [0x80 | bytes.length, ...bytes]
}

const der = (tag: number, ...parts: Buffer[]): Buffer => {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content])
}

const sequence = (...parts: Buffer[]) => der(0x30, ...parts)
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const utf8 = (text: string) => der(0x0c, Buffer.from(text, 'utf8'))
const generalizedTime = (ms: number) =>
  der(0x18, Buffer.from(isoSeconds(ms).replace(/[-:T]/g, '')))

const commonName = oid('550403')
/** sha256WithRSAEncryption, with its NULL parameter. */
const algorithm = sequence(oid('2a864886f70d01010b'), der(0x05))
const extendedKeyUsage = oid('551d25')
const clientAuth = oid('2b06010505070302')
const subjectAltName = oid('551d11')
/** Microsoft's user principal name, by which Windows logs the certificate's owner in. */
const principalName = oid('2b060104018237140203')

const nameOf = (userId: string) => sequence(der(0x31, sequence(commonName, utf8(userId))))

const extensions = (userId: string) => der(0xa3, sequence(
  sequence(extendedKeyUsage, der(0x04, sequence(clientAuth))),
  sequence(subjectAltName, der(0x04, sequence(der(0xa0, principalName, der(0xa0, utf8(`${userId}@localhost`)))))),
))

const pem = (label: string, bytes: Buffer) =>
  `-----BEGIN ${label}-----\n${bytes.toString('base64').match(/.{1,64}/g)!.join('\n')}\n-----END ${label}-----\n`

export const generateX509 = async (userId: string, nowMs: number): Promise<KeyMaterial> => {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: rsaBits })
  const serial = Buffer.concat([Buffer.from([1]), randomBytes(8)])
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), der(0x02, serial), algorithm, nameOf(userId),
    sequence(generalizedTime(nowMs), generalizedTime(nowMs + validityMs)), nameOf(userId),
    publicKey.export({ type: 'spki', format: 'der' }), extensions(userId),
  )
  const signature = sign('sha256', body, privateKey)
  const certificate = pem('CERTIFICATE', sequence(body, algorithm, der(0x03, Buffer.from([0]), signature)))
  return {
    publicKey: certificate, fingerprint: x509Fingerprint(certificate),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}
