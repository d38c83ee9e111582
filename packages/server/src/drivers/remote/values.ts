/** Values as they travel: JSON, bytes as they are, and references for what cannot travel. */

/** A key of this name marks what JSON has no word for; a plain object that has such a key is marked itself. */
const mark = '$'

export interface Travelling {
  header: unknown
  tail: Buffer
}

/** What a reference stands for, named by a number that its owner chose. */
export type Reference = { kind: 'stream' | 'duplex' | 'function' | 'signal'; id: number; [extra: string]: unknown }

export interface References {
  /** A reference for what stays here; undefined: it is a plain value. */
  give(value: object): Reference | undefined
  /** What a reference of the other side becomes here. */
  take(reference: Reference): unknown
}

/** JSON's rules, and besides: bytes, `undefined` in lists, and whatever `references` gives a number to. */
export function pack(value: unknown, references: References): Travelling {
  const parts: Buffer[] = []
  let length = 0
  const bytes = (part: Buffer): unknown => {
    parts.push(part)
    length += part.length
    return { [mark]: ['bytes', length - part.length, part.length] }
  }
  const walk = (each: unknown): unknown => {
    if (each === undefined) return { [mark]: ['undefined'] }
    if (typeof each === 'function') return { [mark]: ['reference', references.give(each)] }
    if (typeof each !== 'object' || each === null) return each
    if (each instanceof Uint8Array) return bytes(Buffer.from(each.buffer, each.byteOffset, each.byteLength))
    if (Array.isArray(each)) return each.map(walk)
    const reference = references.give(each)
    if (reference) return { [mark]: ['reference', reference] }
    const fields = Object.entries(each).filter(([, field]) => field !== undefined)
    const walked = Object.fromEntries(fields.map(([name, field]) => [name, walk(field)]))
    return mark in each ? { [mark]: ['object', walked] } : walked
  }
  const header = walk(value)
  return { header, tail: Buffer.concat(parts, length) }
}

export function unpack({ header, tail }: Travelling, references: References): unknown {
  const walk = (each: unknown): unknown => {
    if (typeof each !== 'object' || each === null) return each
    if (Array.isArray(each)) return each.map(walk)
    return mark in each ? marked(each[mark] as [string, ...unknown[]]) : fieldsOf(each)
  }
  const fieldsOf = (each: object): unknown =>
    Object.fromEntries(Object.entries(each).map(([name, field]) => [name, walk(field)]))
  const marked = ([kind, first, second]: [string, ...unknown[]]): unknown => {
    if (kind === 'bytes') return Buffer.from(tail.subarray(Number(first), Number(first) + Number(second)))
    if (kind === 'object') return fieldsOf(first as object)
    if (kind === 'reference') return references.take(first as Reference)
    return undefined
  }
  return walk(header)
}

/** One block of bytes: the header's length, the header, the tail. */
export function toBytes({ header, tail }: Travelling): Buffer {
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, text, tail])
}

export function fromBytes(bytes: Buffer): Travelling {
  const length = bytes.readUInt32BE()
  return { header: JSON.parse(bytes.subarray(4, 4 + length).toString()), tail: bytes.subarray(4 + length) }
}
