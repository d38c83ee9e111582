/** Key pairs: making them, reading what users bring, and the fingerprints that clients compare. */
import { createHash, generateKeyPair, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { badRequest } from '#platform/errors/errors.ts'

const rsaBits = 2048
const generate = promisify(generateKeyPair)
const pairs = (hex: string): string => hex.match(/../g)!.join(':')

/** Reads one length-prefixed string of SSH's wire form at `offset`. */
const field = (blob: Buffer, offset: number): Buffer => {
  const size = blob.readUInt32BE(offset)
  if (offset + 4 + size > blob.length) throw new RangeError('the key is cut off')
  return blob.subarray(offset + 4, offset + 4 + size)
}

/** How many fields follow the type in each kind of public key. */
const keyFields: Record<string, number> = {
  'ssh-rsa': 2, 'ssh-ed25519': 1, 'ecdsa-sha2-nistp256': 2, 'ecdsa-sha2-nistp384': 2, 'ecdsa-sha2-nistp521': 2,
  'sk-ssh-ed25519@openssh.com': 2, 'sk-ecdsa-sha2-nistp256@openssh.com': 3, 'ssh-dss': 4,
}

const assertBlob = (type: string, blob: Buffer): void => {
  const fields = keyFields[type]
  if (fields === undefined) throw new RangeError(`its type ${type} is not known`)
  let offset = 0
  for (let index = 0; index <= fields; index++) {
    const part = field(blob, offset)
    if (index === 0 && part.toString('latin1') !== type) throw new RangeError('its type and its content differ')
    offset += 4 + part.length
  }
  if (offset !== blob.length) throw new RangeError('bytes follow its end')
}

/** MD5 of the key's blob, as Nova and `ssh-keygen -l -E md5` show it. */
export const sshFingerprint = (publicKey: string): string => {
  const [type = '', text = ''] = publicKey.trim().split(/\s+/)
  const blob = Buffer.from(text, 'base64')
  try {
    assertBlob(type, blob)
  } catch (error) {
    throw badRequest(
      `Keypair data is invalid: failed to generate fingerprint: ${String((error as Error).message)}`,
      { field: 'public_key' }, error,
    )
  }
  return pairs(createHash('md5').update(blob).digest('hex'))
}

/** SHA-1 of the certificate, as Nova shows it for x509 pairs. */
export const x509Fingerprint = (certificate: string): string => {
  try {
    return pairs(createHash('sha1').update(new X509Certificate(certificate).raw).digest('hex'))
  } catch (error) {
    throw badRequest(
      'Keypair data is invalid: failed to generate X509 fingerprint. Provide a certificate in PEM form',
      { field: 'public_key' }, error,
    )
  }
}

const wire = (bytes: Buffer): Buffer => {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

/** SSH's multi-precision integer: a leading zero keeps it positive. */
const mpint = (base64url: string): Buffer => {
  const bytes = Buffer.from(base64url, 'base64url')
  return wire(bytes[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}

export interface KeyMaterial { publicKey: string; privateKey: string; fingerprint: string }

export const generateSsh = async (): Promise<KeyMaterial> => {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: rsaBits })
  const { n, e } = publicKey.export({ format: 'jwk' })
  const blob = Buffer.concat([wire(Buffer.from('ssh-rsa')), mpint(e!), mpint(n!)])
  const text = `ssh-rsa ${blob.toString('base64')} Generated-by-Nova`
  return {
    publicKey: text, fingerprint: sshFingerprint(text),
    privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }) as string,
  }
}
