/** What others may ask of the metadata service: to answer a container whose request a host has taken. */
import type { MetadataAsk, MetadataReply } from './ports.ts'

export interface MetadataFacade {
  /**
   * Answers as Nova's metadata service does. 404 for an address that is no server's, and for an unknown path; it
   * throws only when the cloud itself fails. Plain data in and out, so that an agent may ask over its link.
   */
  answer(ask: MetadataAsk): Promise<MetadataReply>
}
