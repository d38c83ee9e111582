/** Looks at a cloud's containers in Docker itself, past every API of the cloud. */
import { execFileSync } from 'node:child_process'
import type { Cloud } from './cloud.ts'

export interface InspectedContainer {
  readonly Id: string
  readonly State: {
    readonly Running: boolean
    readonly Paused: boolean
    readonly StartedAt: string
    readonly Pid: number
  }
  readonly Config: { readonly Hostname: string; readonly Image: string; readonly Labels: Record<string, string> }
  readonly HostConfig: { readonly Memory: number; readonly NanoCpus: number; readonly Privileged: boolean }
}

const docker = (...args: string[]): string => execFileSync('docker', args, { encoding: 'utf8', maxBuffer: 1 << 26 })

/** The container whose host name is the server's name; undefined when there is none. Names are unique in each test. */
export async function containerOf(cloud: Cloud, serverName: string): Promise<InspectedContainer | undefined> {
  const containers = (await cloud.leftovers())
    .filter((name) => name.startsWith('container '))
    .map((name) => name.split(' ')[1]!)
  if (containers.length === 0) return undefined
  const inspected = JSON.parse(docker('inspect', ...containers)) as InspectedContainer[]
  return inspected.find(({ Config }) => Config.Hostname === serverName)
}

/** Addresses that the container's network namespace really has, without the loopback's. */
export function addressesIn(container: InspectedContainer): string[] {
  const args = ['--target', String(container.State.Pid), '--net', 'ip', '-json', 'address', 'show']
  const links = JSON.parse(execFileSync('nsenter', args, { encoding: 'utf8' })) as {
    ifname: string
    addr_info: { local: string }[]
  }[]
  return links.filter(({ ifname }) => ifname !== 'lo').flatMap(({ addr_info }) => addr_info.map(({ local }) => local))
}
