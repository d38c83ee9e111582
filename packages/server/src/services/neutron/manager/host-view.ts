/** How one host sees the others: where their ends of the tunnels are. */
import type { HostDirectory } from '#services/deps.ts'
import type { HostView } from './wanted.ts'

export const hostView = (hosts: HostDirectory, name: string): HostView => {
  const all = hosts.list()
  return { name, addresses: new Map(all.map((host) => [host.name, host.address])), isAlone: all.length <= 1 }
}
