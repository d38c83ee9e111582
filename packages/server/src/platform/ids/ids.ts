/** Identifiers in the shapes that OpenStack's clients expect. */
import { randomBytes, randomUUID } from 'node:crypto'

/** `8-4-4-4-12`: Nova, Neutron, Glance. */
export const uuid = (): string => randomUUID()
/** 32 hexadecimal digits: Keystone. */
export const hexId = (): string => randomUUID().replaceAll('-', '')
/** `req-<uuid>`: what every reply carries in `X-Openstack-Request-Id`. */
export const requestId = (): string => `req-${randomUUID()}`
/** URL-safe random text of `bytes` random bytes, for passwords and secrets. */
export const secret = (bytes = 24): string => randomBytes(bytes).toString('base64url')

const uuidPattern = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i
export const isUuid = (text: string): boolean => uuidPattern.test(text)
