/** Blots secrets out of what is to be logged, by the names of fields, at any depth. */

const secretNames = new Set([
  'password', 'originalpassword', 'adminpass', 'adminpassword', 'passphrase', 'secret', 'clientsecret', 'token',
  'authorization', 'xauthtoken', 'xsubjecttoken', 'xservicetoken', 'xregistryauth', 'cookie', 'setcookie',
  'privatekey', 'userdata', 'masterkey',
])
const blotted = '***'
/** Deeper things are left out: a log line is not a dump. */
const depthMax = 10

/** Names met so far; field names come from code and headers, but a client may make headers up. */
const known = new Map<string, boolean>()
const knownMax = 2_000

function isSecret(name: string): boolean {
  let secret = known.get(name)
  if (secret === undefined) {
    secret = secretNames.has(name.toLowerCase().replaceAll(/[-_]/g, ''))
    if (known.size >= knownMax) known.clear()
    known.set(name, secret)
  }
  return secret
}

/** `fields` itself when it holds no secret, else a copy with `***` in the places of secrets. */
export function blot<Fields extends object>(fields: Fields, depth = 0): Fields {
  let copy: Record<string, unknown> | undefined
  for (const [name, value] of Object.entries(fields)) {
    const safe = isSecret(name) && value !== undefined && value !== null ? blotted : blotValue(value, depth + 1)
    if (safe === value) continue
    copy ??= { ...fields } as Record<string, unknown>
    copy[name] = safe
  }
  return copy as Fields | undefined ?? fields
}

function blotValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth > depthMax) return '…'
  if (Array.isArray(value)) return blotList(value, depth)
  return isPlain(value) ? blot(value, depth) : value
}

function blotList(list: unknown[], depth: number): unknown[] {
  const safe = list.map((item) => blotValue(item, depth + 1))
  return safe.every((item, at) => item === list[at]) ? list : safe
}

/** Errors, dates and streams know how they are written; only our own plain data is looked into. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
