/** What others may ask about the hosts of this cloud: who may join, and who ever did. */

/** What an agent says of itself when it asks to be let in. */
export interface Newcomer {
  /** The secret of its token. */
  secret: string
  /** A secret of the machine's own: whoever joins under a name first keeps it. */
  hostKey: string
  name: string
  /** Where the other hosts reach it. */
  address: string
  version: string
}

/** Times in milliseconds since the epoch. */
export interface Member {
  name: string
  address: string
  version: string
  /** The token it came in with. */
  tokenId: string
  joinedAt: number
  /** When any process of the cloud last heard of it; written every few seconds. */
  seenAt: number
}

export interface HostsFacade {
  /** Writes the host down. Throws `unauthorized` (token) or `conflict` (the name is another machine's). Idempotent. */
  admit(newcomer: Newcomer): Promise<Member>
  /** Whether what a token let in may stay: false once it is revoked or has expired. */
  standing(tokenIds: string[]): Promise<Set<string>>
  members(): Promise<Member[]>
  seen(name: string): Promise<void>
}
