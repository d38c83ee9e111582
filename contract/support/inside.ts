/** Looks out of a server's container, as somebody who sits in it: pings, web pages, devices. Needs BusyBox inside. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Cloud } from './cloud.ts'
import { containerOf, type InspectedContainer } from './containers.ts'

const run = promisify(execFile)

export class Inside {
  readonly #cloud: Cloud
  readonly #hostname: string
  constructor(cloud: Cloud, hostname: string) {
    this.#cloud = cloud
    this.#hostname = hostname
  }

  async container(): Promise<InspectedContainer> {
    const found = await containerOf(this.#cloud, this.#hostname)
    if (found === undefined) throw new Error(`Docker has no container for the server ${this.#hostname}`)
    return found
  }

  /** What the command prints; rejects when it fails. */
  async says(...command: string[]): Promise<string> {
    const { stdout } = await run('docker', ['exec', (await this.container()).Id, ...command], { timeout: 60_000 })
    return stdout.trim()
  }

  /** Whether one of three echo requests is answered. */
  async reaches(address: string): Promise<boolean> {
    return this.#succeeds('ping', '-c', '3', '-W', '2', address)
  }

  /** What the web server at the address says. */
  page(address: string, port = 80): Promise<string> {
    return this.says('timeout', '5', 'wget', '-q', '-O', '-', `http://${address}:${port}/`)
  }

  /** Device → its addresses without prefix lengths, the loopback's left out. */
  async devices(): Promise<Record<string, string[]>> {
    const devices: Record<string, string[]> = {}
    for (const line of (await this.says('ip', '-o', 'address', 'show', 'scope', 'global')).split('\n')) {
      const [, device, cidr] = /^\d+:\s+(\w+)\S*\s+inet6?\s+(\S+)\//.exec(line) ?? []
      if (device !== undefined) (devices[device] ??= []).push(cidr!)
    }
    return devices
  }

  async #succeeds(...command: string[]): Promise<boolean> {
    try {
      await this.says(...command)
      return true
    } catch (error) {
      if (typeof (error as { code?: unknown }).code === 'number') return false
      throw error
    }
  }
}
