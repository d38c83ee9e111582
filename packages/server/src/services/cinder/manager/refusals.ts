/** Cinder's refusals, in the words that its clients know. */
import { badRequest, notFound, type Refusal, type RefusalDetails } from '#platform/errors/errors.ts'

export const invalidVolume = (reason: string, details: RefusalDetails = {}): Refusal =>
  badRequest(`Invalid volume: ${reason}`, { reason: 'volume', ...details })
export const invalidSnapshot = (reason: string): Refusal =>
  badRequest(`Invalid snapshot: ${reason}`, { reason: 'snapshot' })
export const invalidInput = (reason: string, field?: string): Refusal =>
  badRequest(`Invalid input received: ${reason}`, { ...(field !== undefined && { field }) })

export const noVolume = (id: string): Refusal => notFound(`Volume ${id} could not be found.`)
export const noSnapshot = (id: string): Refusal => notFound(`Snapshot ${id} could not be found.`)
export const noAttachment = (id: string): Refusal =>
  notFound(`Volume attachment could not be found with filter: attachment_id = ${id}.`)
export const noType = (id: string): Refusal => notFound(`Volume type ${id} could not be found.`)
export const noTypeNamed = (name: string): Refusal => notFound(`Volume type with name ${name} could not be found.`)

/** `available or error`. */
export const anyOf = (words: readonly string[]): string => words.join(' or ')
