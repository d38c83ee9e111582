/** How an agent and the cloud come to trust each other over a bus that anybody may be on. */
import { randomBytes } from 'node:crypto'
import { openBox, derivedKey, keyPairOf, newKeyPair, sealBox, sharedSecret, type KeyPair } from './seal.ts'

/** Grows when the two sides could misunderstand each other. */
export const protocol = 1

export const subjects = {
  /** An agent asks to be let in; any process of the cloud answers. */
  hello: 'hosts.hello',
  /** Agents tell every process of the cloud that they are there. */
  beat: 'hosts.beat',
  /** A process of the cloud that has just started asks all agents to beat now. */
  rollCall: 'hosts.roll-call',
  /** A process of the cloud opens a link to one agent. */
  open: (sessionId: string) => `hosts.open.${sessionId}`,
  toAgent: (linkId: string) => `links.${linkId}.agent`,
  toCloud: (linkId: string) => `links.${linkId}.cloud`,
} as const

/** What an agent says of itself; only the cloud can read it. */
export interface Introduction {
  secret: string
  /** Proves at later joins that this is the machine that took the name. */
  hostKey: string
  name: string
  address: string
  version: string
}

export interface Welcome {
  sessionId: string
  cloudId: string
  ticket: string
}

/** What the cloud must know of a session; it travels with the agent, sealed, so that every process can read it. */
export interface Ticket {
  sessionId: string
  key: string
  host: string
  address: string
  version: string
  tokenId: string
  openedAt: number
}

export interface Beat {
  ticket: string
  box: string
}
export interface BeatBody {
  count: number
  /** Of any network on that host, with `idInPath` for the id. */
  namespacePath: string
}

/** Sent in clear: the versions must be understood by every version. */
export interface Hello {
  protocol: number
  key: string
  box: string
}
export type HelloReply = { box: string } | { refused: string }

/** `qst1.<cloud's public key>.<secret>`: all that an agent needs to know whom to trust, and to be trusted. */
export const readToken = (text: string): { cloudKey: string; secret: string } | undefined => {
  const [kind, cloudKey, secret] = text.trim().split('.')
  return kind === 'qst1' && cloudKey && secret ? { cloudKey, secret } : undefined
}

/** The cloud's half. All processes of a cloud share the master key, and so its pair of keys and its tickets. */
export class CloudKeys {
  readonly #pair: KeyPair
  readonly #ticketKey: Buffer
  constructor(masterKey: Buffer) {
    this.#pair = keyPairOf(derivedKey(masterKey, 'cloud pair'))
    this.#ticketKey = derivedKey(masterKey, 'tickets')
  }
  /** What an agent is given: the secret, and whom to trust. */
  readonly tokenText = (secret: string): string => `qst1.${this.#pair.publicKey}.${secret}`

  /** Undefined: it was not meant for this cloud, or is damaged. */
  readHello({ key, box }: Hello): { introduction: Introduction; secret: Buffer } | undefined {
    try {
      const secret = sharedSecret(this.#pair, key)
      const introduction = openBox<Introduction>(derivedKey(secret, 'hello'), 'hello', box)
      return introduction && { introduction, secret }
    } catch {
      return undefined // its key is no key
    }
  }

  /** The session's key comes of both sides' secrets and a random id: a hello that is sent again opens nothing. */
  welcome(
    { introduction, secret }: { introduction: Introduction; secret: Buffer },
    facts: { cloudId: string; tokenId: string; openedAt: number },
  ): HelloReply {
    const sessionId = randomBytes(16).toString('hex')
    const key = derivedKey(secret, 'session', Buffer.from(sessionId))
    const { name: host, address, version } = introduction
    const { tokenId, openedAt, cloudId } = facts
    const body = { sessionId, key: key.toString('base64'), host, address, version, tokenId, openedAt }
    const ticket = sealBox(this.#ticketKey, 'ticket', body satisfies Ticket)
    return { box: sealBox(derivedKey(secret, 'hello'), 'welcome', { sessionId, cloudId, ticket } satisfies Welcome) }
  }

  /** Undefined: somebody else's, or forged. */
  readBeat({ ticket: sealed, box }: Partial<Beat>): { ticket: Ticket; body: BeatBody } | undefined {
    const ticket = openBox<Ticket>(this.#ticketKey, 'ticket', sealed)
    const body = ticket && openBox<BeatBody>(Buffer.from(ticket.key, 'base64'), 'beat', box)
    return ticket && body && { ticket, body }
  }
}

/** The agent's half of one try to get in. */
export class Greeting {
  readonly #secret: Buffer
  readonly #pair = newKeyPair()
  /** Throws when `cloudKey` is no key. */
  constructor(cloudKey: string) {
    this.#secret = sharedSecret(this.#pair, cloudKey)
  }
  hello(introduction: Introduction): Hello {
    const box = sealBox(derivedKey(this.#secret, 'hello'), 'hello', introduction)
    return { protocol, key: this.#pair.publicKey, box }
  }
  /** Undefined: whoever answered is not the cloud of the token. */
  session(box: string): AgentSession | undefined {
    const welcome = openBox<Welcome>(derivedKey(this.#secret, 'hello'), 'welcome', box)
    return welcome && new AgentSession(welcome, derivedKey(this.#secret, 'session', Buffer.from(welcome.sessionId)))
  }
}

export class AgentSession {
  readonly welcome: Welcome
  readonly key: Buffer
  #beats = 0
  constructor(welcome: Welcome, key: Buffer) {
    this.welcome = welcome
    this.key = key
  }
  beat(namespacePath: string): Beat {
    const body: BeatBody = { count: ++this.#beats, namespacePath }
    return { ticket: this.welcome.ticket, box: sealBox(this.key, 'beat', body) }
  }
}

/** One process of the cloud opens a link: both add something random, so that nothing of an older link fits. */
export interface Opening {
  linkId: string
  salt: string
  /** The process that asks: its older links are over. */
  caller: string
}

export const sealOpening = (sessionKey: Buffer, opening: Opening): { box: string } => ({
  box: sealBox(sessionKey, 'open', opening),
})
export const readOpening = (sessionKey: Buffer, data: unknown): Opening | undefined =>
  openBox<Opening>(sessionKey, 'open', (data as { box?: string } | undefined)?.box)

export const sealOpened = (sessionKey: Buffer, linkId: string, salt: string): { box: string } => ({
  box: sealBox(sessionKey, `opened ${linkId}`, { salt }),
})
export const readOpened = (sessionKey: Buffer, linkId: string, data: unknown): { salt: string } | undefined =>
  openBox(sessionKey, `opened ${linkId}`, (data as { box?: string } | undefined)?.box)

export const newSalt = (): string => randomBytes(16).toString('hex')

export const linkKeys = (sessionKey: Buffer, cloudSalt: string, agentSalt: string) => {
  const salt = Buffer.from(`${cloudSalt}.${agentSalt}`)
  return {
    toAgent: derivedKey(sessionKey, 'link to the agent', salt),
    toCloud: derivedKey(sessionKey, 'link to the cloud', salt),
  }
}
