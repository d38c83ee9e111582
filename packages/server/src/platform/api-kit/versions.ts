/** Microversions: parsing, comparing, negotiating from headers as the API-SIG and Nova define it. */
import type { IncomingHttpHeaders } from 'node:http'
import { badRequest, notAcceptable } from '#platform/errors/errors.ts'
import type { Microversions } from './service.ts'

const pattern = /^([1-9]\d*)\.([1-9]\d*|0)$/

/** `2.96` as one comparable number. Not a number when malformed. */
export const versionNumber = (text: string): number => {
  const match = pattern.exec(text)
  return match ? Number(match[1]) * 100_000 + Number(match[2]) : NaN
}

export const isWithin = (version: string, window: { since?: string; until?: string }): boolean => {
  const asked = versionNumber(version)
  return (
    !(window.since && asked < versionNumber(window.since)) && !(window.until && asked > versionNumber(window.until))
  )
}

const askedIn = (headers: IncomingHttpHeaders, spec: Microversions): string | undefined => {
  const parts = String(headers['openstack-api-version'] ?? '')
    .split(',')
    .map((part) => part.trim().split(/\s+/))
  const named = parts.find(([service]) => service === spec.service)
  if (named) return named[1] ?? ''
  const legacy = (spec.legacyHeaders ?? [])
    .map((name) => headers[name.toLowerCase()])
    .find((value) => value !== undefined)
  return legacy === undefined ? undefined : String(legacy).trim()
}

/** The version to answer in: the minimum when none is asked for. Malformed: 400; out of range: 406. */
export const negotiateVersion = (headers: IncomingHttpHeaders, spec: Microversions): string => {
  const asked = askedIn(headers, spec)
  if (asked === undefined) return spec.min
  if (asked === 'latest') return spec.max
  if (Number.isNaN(versionNumber(asked))) {
    throw badRequest(`API Version String ${asked} is of invalid format. Must be of format MajorNum.MinorNum.`)
  }
  if (isWithin(asked, { since: spec.min, until: spec.max })) return asked
  throw notAcceptable(
    `Version ${asked} is not supported by the API. Minimum is ${spec.min} and maximum is ${spec.max}.`,
    { min_version: spec.min, max_version: spec.max },
  )
}

/** The reply headers that tell which version was used. */
export const versionHeaders = (spec: Microversions, version: string): Record<string, string> => {
  const legacy = spec.legacyHeaders ?? []
  return {
    'OpenStack-API-Version': `${spec.service} ${version}`,
    Vary: ['OpenStack-API-Version', ...legacy].join(', '),
    ...Object.fromEntries(legacy.map((name) => [name, version])),
  }
}
