/** What passes between a host's networks, where containers ask, and the metadata service, which answers. */

/** A request of a container. `body` is base64. */
export interface MetadataAsk {
  networkId: string
  /** The source address: on its network it belongs to one port. */
  address: string
  method: string
  /** As it was asked for, with the query. */
  path: string
  body: string
}

/** What the container is told. `body` is base64. */
export interface MetadataReply {
  status: number
  contentType: string
  body: string
}

export type AskMetadata = (ask: MetadataAsk) => Promise<MetadataReply>
