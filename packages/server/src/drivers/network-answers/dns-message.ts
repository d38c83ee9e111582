/** DNS messages as bytes (RFC 1035, RFC 6891): reads one question, writes our own answers, finds TTLs of others'. */
import { parseAddress } from '#engines/cidr/address.ts'

export const types = { a: 1, ptr: 12, aaaa: 28, opt: 41, any: 255 } as const
export const rcodes = { ok: 0, formatError: 1, serverFailure: 2, noName: 3, notImplemented: 4, refused: 5 } as const
export type Rcode = (typeof rcodes)[keyof typeof rcodes]

/** `name` is in lower case and without its last dot; octets that no host name has are written `\ddd`. */
export interface Question {
  name: string
  type: number
  class: number
}

export interface Query {
  id: number
  opcode: number
  recursionDesired: boolean
  question: Question
  /** The question as it was asked, upper case and all: a reply repeats it. */
  questionBytes: Buffer
  /** The largest reply over UDP that the asker takes; without EDNS 512. */
  udpSizeMax: number
  hasEdns: boolean
}

/** An answer record to the question's own name. `data` is an address, or for PTR a name. */
export interface Answer {
  type: number
  data: string
}

const headerBytes = 12
const plainSizeMax = 512
/** Larger datagrams would be split on the way, and lost with any of their parts. */
const ednsSizeMax = 1232
const classInternet = 1
const flags = { response: 0x8000, authoritative: 0x0400, truncated: 0x0200, recurse: 0x0100, recursive: 0x0080 }

/** Undefined: not even a header, or a response; nobody should answer it. A `Query` without question: malformed. */
export function parseQuery(message: Buffer): Query | { id: number; malformed: true } | undefined {
  if (message.length < headerBytes || (message.readUInt16BE(2) & flags.response) !== 0) return undefined
  const id = message.readUInt16BE(0)
  const bits = message.readUInt16BE(2)
  const name = message.readUInt16BE(4) === 1 ? readName(message, headerBytes) : undefined
  if (name === undefined || name.end + 4 > message.length) return { id, malformed: true }
  const edns = ednsSizeOf(message, name.end + 4)
  return {
    id,
    opcode: (bits >> 11) & 0xf,
    recursionDesired: (bits & flags.recurse) !== 0,
    question: { name: name.text, type: message.readUInt16BE(name.end), class: message.readUInt16BE(name.end + 2) },
    questionBytes: message.subarray(headerBytes, name.end + 4),
    udpSizeMax: edns === undefined ? plainSizeMax : Math.min(Math.max(edns, plainSizeMax), ednsSizeMax),
    hasEdns: edns !== undefined,
  }
}

interface ReadName {
  text: string
  end: number
}

/** A name without compression, as questions have it. */
function readName(message: Buffer, start: number): ReadName | undefined {
  const labels: string[] = []
  let at = start
  for (;;) {
    const length = message[at]
    if (length === undefined || length > 63 || at - start > 254) return undefined
    if (length === 0) return { text: labels.join('.').toLowerCase(), end: at + 1 }
    if (at + 1 + length > message.length) return undefined
    labels.push(labelText(message.subarray(at + 1, at + 1 + length)))
    at += 1 + length
  }
}

const labelText = (bytes: Buffer): string =>
  bytes.toString('latin1').replaceAll(/[^\w-]/g, (octet) => `\\${String(octet.charCodeAt(0)).padStart(3, '0')}`)

/** Skips a name that may end in a pointer; undefined when it runs over the end. */
function skipName(message: Buffer, start: number): number | undefined {
  let at = start
  for (;;) {
    const length = message[at]
    if (length === undefined) return undefined
    if (length >= 0xc0) return at + 2
    if (length === 0) return at + 1
    at += 1 + length
  }
}

interface FoundRecord {
  type: number
  class: number
  ttlAt: number
}

/** The records behind the question; undefined when the message is cut off or damaged. */
function recordsOf(message: Buffer, start: number): FoundRecord[] | undefined {
  const count = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10)
  const records: FoundRecord[] = []
  let at = start
  for (let index = 0; index < count; index++) {
    const fields = skipName(message, at)
    if (fields === undefined || fields + 10 > message.length) return undefined
    records.push({ type: message.readUInt16BE(fields), class: message.readUInt16BE(fields + 2), ttlAt: fields + 4 })
    at = fields + 10 + message.readUInt16BE(fields + 8)
    if (at > message.length) return undefined
  }
  return records
}

/** The asker's own limit, in the class field of its OPT record. */
const ednsSizeOf = (message: Buffer, start: number): number | undefined =>
  recordsOf(message, start)?.find(({ type }) => type === types.opt)?.class

/** Where the TTLs of a reply are; undefined when it cannot be read, and so cannot be kept. */
export function ttlOffsets(reply: Buffer): number[] | undefined {
  if (reply.length < headerBytes || reply.readUInt16BE(4) !== 1) return undefined
  const question = skipName(reply, headerBytes)
  if (question === undefined) return undefined
  return recordsOf(reply, question + 4)?.flatMap(({ type, ttlAt }) => (type === types.opt ? [] : [ttlAt]))
}

export const rcodeOf = (reply: Buffer): number => reply.readUInt16BE(2) & 0xf
export const isTruncated = (reply: Buffer): boolean => (reply.readUInt16BE(2) & flags.truncated) !== 0

/** True when `reply` answers `query`: a response with the same id and question. */
export const answers = (reply: Buffer, query: Buffer): boolean => {
  if (reply.length < headerBytes || reply.readUInt16BE(0) !== query.readUInt16BE(0)) return false
  if ((reply.readUInt16BE(2) & flags.response) === 0) return false
  const end = skipName(query, headerBytes)
  const questionOf = (message: Buffer): string => message.toString('latin1', headerBytes, end! + 4).toLowerCase()
  return end !== undefined && questionOf(reply) === questionOf(query)
}

export interface ReplyParts {
  rcode: Rcode
  answers?: Answer[]
  authoritative?: boolean
  ttlSeconds?: number
}

/** Our own reply. What does not fit into `sizeMax` bytes is left out, and the reply says so. */
export function replyTo(query: Query, parts: ReplyParts, sizeMax = 65_535): Buffer {
  const records = (parts.answers ?? []).map((answer) => recordBytes(answer, parts.ttlSeconds ?? 0))
  const whole = assemble(query, parts, records, false)
  return whole.length <= sizeMax ? whole : assemble(query, parts, [], true)
}

/** Says that the answer is there, and too long for a datagram: the asker comes again over TCP. */
export const truncatedReply = (query: Query): Buffer => assemble(query, { rcode: rcodes.ok }, [], true)

function assemble(query: Query, parts: ReplyParts, records: Buffer[], truncated: boolean): Buffer {
  const header = Buffer.alloc(headerBytes)
  const bits =
    flags.response |
    flags.recursive |
    (query.opcode << 11) |
    (parts.authoritative ? flags.authoritative : 0) |
    (truncated ? flags.truncated : 0) |
    (query.recursionDesired ? flags.recurse : 0) |
    parts.rcode
  header.writeUInt16BE(query.id, 0)
  header.writeUInt16BE(bits, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records.length, 6)
  header.writeUInt16BE(query.hasEdns ? 1 : 0, 10)
  return Buffer.concat([header, query.questionBytes, ...records, ...(query.hasEdns ? [optRecord] : [])])
}

/** EDNS version 0, no options. */
const optRecord = Buffer.from([0, 0, types.opt, ednsSizeMax >> 8, ednsSizeMax & 0xff, 0, 0, 0, 0, 0, 0])

/** A reply to what could not be read. */
export function malformedReply(id: number): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(flags.response | flags.recursive | rcodes.formatError, 2)
  return header
}

function recordBytes({ type, data }: Answer, ttlSeconds: number): Buffer {
  const body = type === types.ptr ? nameBytes(data) : addressBytes(data)
  const fields = Buffer.alloc(12)
  fields.writeUInt16BE(0xc000 | headerBytes, 0)
  fields.writeUInt16BE(type, 2)
  fields.writeUInt16BE(classInternet, 4)
  fields.writeUInt32BE(ttlSeconds, 6)
  fields.writeUInt16BE(body.length, 10)
  return Buffer.concat([fields, body])
}

export const nameBytes = (name: string): Buffer =>
  Buffer.concat([
    ...name
      .split('.')
      .filter((label) => label !== '')
      .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')])),
    Buffer.from([0]),
  ])

function addressBytes(text: string): Buffer {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(`${text} is not an address`)
  return Buffer.from(address.value.toString(16).padStart(address.version === 4 ? 8 : 32, '0'), 'hex')
}

/** A question as a resolver asks it, with recursion desired. */
export function queryBytes(id: number, name: string, type: number): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(flags.recurse, 2)
  header.writeUInt16BE(1, 4)
  const tail = Buffer.alloc(4)
  tail.writeUInt16BE(type, 0)
  tail.writeUInt16BE(classInternet, 2)
  return Buffer.concat([header, nameBytes(name), tail])
}
