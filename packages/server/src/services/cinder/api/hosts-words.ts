/** How clients write hosts: `host`, `host@backend` or `host@backend#pool`. */
import { badRequest } from '#platform/errors/errors.ts'
import { hostOf } from '../manager/hosts.ts'

export const hostNameOf = (text: string | null | undefined): string => {
  if (!text)
    throw badRequest("Invalid input: 'host' is a required property: name the host to move to", { field: 'host' })
  return hostOf(text)
}
