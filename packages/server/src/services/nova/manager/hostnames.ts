/** Host names from display names, and the names of the members of a group created at once. */

const lengthMax = 63

/** A DNS label from any display name; empty when nothing of it can be used. */
const sanitized = (name: string): string => name
  .replace(/[ _]/g, '-')
  .replace(/[^\p{ASCII}]/gu, '')
  .replace(/[^\w.-]+/g, '')
  .toLowerCase()
  .replace(/^[-.]+|[-.]+$/g, '')
  .slice(0, lengthMax)
  .replace(/[-.]+$/, '')

export const hostnameOf = (name: string, id: string): string => sanitized(name) || `server-${id}`

/** `web` alone; `web-1`, `web-2` … of several. */
export const nameOfMember = (name: string, index: number, count: number): string =>
  (count > 1 ? `${name}-${index + 1}` : name)
