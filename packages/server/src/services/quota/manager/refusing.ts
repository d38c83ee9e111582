/** The engine's answers as refusals that a client can read. */
import { badRequest, conflict, notFound, overLimit } from '#platform/errors/errors.ts'
import type { QuotaReason, Refusal, RefusalDetails } from '#platform/errors/errors.ts'
import { RuleBroken } from '#engines/quota/rules.ts'
import type { Vector } from '#engines/quota/claims.ts'
import { sentence } from '#engines/quota/refusals.ts'
import type { QuotaEngine } from '#engines/quota/engine.ts'
import type { QuotaRefusal } from '#engines/quota/refusals.ts'
import type { Project } from '#engines/quota/tree.ts'

/** What managers read of a refusal, and beside it what leaves the process. */
const told = (details: RefusalDetails & { reason: string }, more: Omit<QuotaReason, 'code'> = {}): RefusalDetails => {
  const { reason: code, resource, project, asked, available, missing, limit, used, reserved, remedy } = details
  const numbers = { asked, limit, used, reserved, available, missing }
  return { ...details, quota: { code, resource, project_id: project, ...numbers, remedy, ...more } }
}

/** What of a request does not fit, one refusal for each resource. */
export const refusalsOf = (engine: QuotaEngine, project: Project, { resources, amounts }: Vector): QuotaRefusal[] =>
  resources
    .map((resource, at): Vector => ({ resources: [resource], amounts: [amounts[at]!] }))
    .filter((single) => !engine.fits(project.leaf, single))
    .map((single) => engine.refusalOf(project, single))

/** Of those at the project's own limits, as upstream names them: all that is short, by name. */
const exceededOf = (refusals: readonly QuotaRefusal[]) =>
  refusals
    .filter(({ node, project }) => node === project)
    .map(({ resource, asked, limit, used, reserved }) => ({ resource, asked, limit, used, reserved }))
    .sort((a, b) => (a.resource < b.resource ? -1 : 1))

/**
 * Only its own numbers are told to who asks: an ancestor's use and who holds it are for those who may see the tree.
 */
export const overQuota = (refusal: QuotaRefusal, all: readonly QuotaRefusal[] = [refusal]): Refusal => {
  const { code, resource, node, project, asked, limit, used, reserved, available, missing, heldBy } = refusal
  const details = { reason: code, resource, asked, available, missing, project }
  if (node === project) {
    const exceeded = exceededOf(all)
    const own = { ...details, node, limit, used, reserved, exceeded, remedy: refusal.remedy }
    const held_by = heldBy.map((holder) => ({ project_id: holder.project, amount: holder.amount }))
    return overLimit(sentence(refusal), told(own, { node, exceeded, held_by }))
  }
  const remedy =
    available > 0
      ? `Ask for at most ${available}, or ask who administers it for more.`
      : 'Ask who administers it for more.'
  return overLimit(
    `Quota exceeded for ${resource}: asked ${asked}, project ${project} can have ${available} more, ` +
      `for the capacity above it is in use (${code}). ${remedy}`,
    told({ ...details, node: 'ancestor', remedy }),
  )
}

/** Refused for now: borrowers were told to give it back, and it is kept for the project that asked. */
export const comingBack = (
  { resource, project, asked, available, missing }: QuotaRefusal,
  retryAfterMs: number,
): Refusal => {
  const retry_after = Math.max(1, Math.ceil(retryAfterMs / 1000)),
    remedy = `Ask again in ${retry_after} s.`
  const details = { reason: 'RECLAIMING', resource, asked, available, missing, project, remedy }
  return overLimit(
    `Quota exceeded for ${resource}: asked ${asked}; what is missing of project ${project}'s own is being ` +
      `taken back from those who borrowed it (RECLAIMING). ${remedy}`,
    told({ ...details, retryAfterMs: Math.max(0, retryAfterMs) }, { retry_after }),
  )
}

/** Refused, with nobody told to end for it: what others use must come back by itself, and nobody knows when. */
export const lentOut = ({ code, resource, project, asked, available, missing }: QuotaRefusal): Refusal => {
  const remedy = 'Ask again when they have released it.'
  return overLimit(
    `Quota exceeded for ${resource}: asked ${asked}; what is missing of project ${project}'s own is used by others. ` +
      `Nothing is taken back for it (${code}); what is free of it is kept for the project meanwhile. ${remedy}`,
    { reason: code, resource, asked, available, missing, project, remedy },
  )
}

/** A broken rule of configuration, in Nova's words where it has some. */
export const ruleRefusal = (broken: RuleBroken): Refusal => {
  const { code, details, message } = broken,
    { field, resource, asked, min, max } = details
  const fields = told({ reason: code, ...details, field: field ?? resource }, { field, min, max })
  if (code === 'NO_PROJECT') return notFound(message, fields)
  if (code === 'BELOW_USE') {
    return badRequest(
      `Quota limit ${asked} for ${resource} must be greater than or equal to already used and reserved ${min}.`,
      fields,
    )
  }
  if (code === 'ABOVE_PARENT')
    return badRequest(`Quota limit ${asked} for ${resource} must be less than or equal to ${max}.`, fields)
  if (code === 'HAS_CHILDREN' || code === 'IN_USE') return conflict(message, fields)
  return badRequest(message, fields)
}

export const inWords = <T>(work: () => T): T => {
  try {
    return work()
  } catch (error) {
    throw error instanceof RuleBroken ? ruleRefusal(error) : error
  }
}

export const unknownResource = (name: string): Refusal =>
  notFound(`There is no quota of "${name}".`, told({ reason: 'NOT_REGISTERED', field: name, resource: name }))

/** A limit that Keystone keeps is changed there. */
export const keptByKeystone = (message: string, resource: string, limitId: string): Refusal =>
  badRequest(message, told({ reason: 'UNIFIED_LIMIT', field: resource, resource, limitId }, { limit_id: limitId }))
