/** Hosts that keep volumes, as the operator's APIs show them: services, pools, capabilities; and choosing one. */
import { badRequest, notFound, unavailable } from '#platform/errors/errors.ts'
import type { Host } from '#services/deps.ts'
import type { StoreSpace } from '../ports.ts'
import { settingsOf, settingWrite } from '../store/settings.ts'
import { bytesPerGiB, zone, type VolumeType } from './model.ts'
import type { CinderParts } from './parts.ts'

export interface ServiceInfo {
  binary: string
  host: string
  zone: string
  isEnabled: boolean
  isUp: boolean
  disabledReason: string | null
  updatedAt: number
}

export interface PoolInfo {
  name: string
  hostName: string
  space: StoreSpace | null
}

interface Disabled {
  disabled: boolean
  reason: string | null
}

/** A host heard of within this time is there, whether or not this process has reached it yet. */
const heardMs = 30_000

const backendName = 'quaystone'
export const storageProtocol = 'loop'
export const vendorName = 'Quaystone'

/** Cinder's name of a host's one backend. */
export const backendOf = (hostName: string): string => `${hostName}@${backendName}`
export const poolOf = (hostName: string): string => `${backendOf(hostName)}#${backendName}`
/** The host in `host@backend#pool`, or as it is. */
export const hostOf = (text: string): string => text.split('@')[0]!

/** What a type's extra specs may ask of a backend. */
const capabilities: Record<string, string> = {
  volume_backend_name: backendName,
  storage_protocol: storageProtocol,
  vendor_name: vendorName,
  driver_version: '1.0',
  multiattach: 'True',
  thin_provisioning_support: 'True',
  thick_provisioning_support: 'False',
  compression: 'False',
  replication_enabled: 'False',
}

export class VolumeHosts {
  readonly #parts: Pick<CinderParts, 'db' | 'hosts' | 'clock' | 'log'>
  constructor(parts: Pick<CinderParts, 'db' | 'hosts' | 'clock' | 'log'>) {
    this.#parts = parts
  }

  #withVolumes(): Host[] {
    return this.#parts.hosts.list().filter(({ volumes }) => volumes !== undefined)
  }

  #known(): { name: string; isAlive: boolean; seenAt: number }[] {
    const here = this.#withVolumes().map(({ name }) => ({ name, isAlive: true, seenAt: this.#parts.clock.now() }))
    const names = new Set(here.map(({ name }) => name))
    const silent = (this.#parts.hosts.known?.() ?? []).filter(({ name, isAlive }) => !names.has(name) && !isAlive)
    return [...here, ...silent]
  }

  async services(): Promise<ServiceInfo[]> {
    const disabled = await settingsOf<Disabled>(this.#parts.db, 'service')
    const known = this.#known()
    const volumes = known.map(({ name, ...rest }) => ({ binary: 'cinder-volume', host: backendOf(name), ...rest }))
    const scheduler = known
      .slice(0, 1)
      .map(({ name, ...rest }) => ({ binary: 'cinder-scheduler', host: name, ...rest }))
    return [...scheduler, ...volumes].map(({ binary, host, isAlive, seenAt }) => {
      const set = disabled.get(`${binary} ${host}`)?.value
      return {
        binary,
        host,
        zone,
        isEnabled: !set?.disabled,
        isUp: isAlive,
        disabledReason: set?.reason ?? null,
        updatedAt: seenAt,
      }
    })
  }

  /** Takes a service out of use, or back: new volumes go elsewhere, and those that are there stay. */
  async setEnabled(asked: {
    host: string
    binary?: string
    isEnabled: boolean
    reason?: string
  }): Promise<ServiceInfo> {
    const found = (await this.services()).find(
      ({ host, binary }) => [host, hostOf(host)].includes(asked.host) && (asked.binary ?? binary) === binary,
    )
    if (!found) throw notFound(`Service ${asked.binary ?? 'cinder-volume'} could not be found on host ${asked.host}.`)
    const value: Disabled = { disabled: !asked.isEnabled, reason: asked.reason ?? null }
    const name = `${found.binary} ${found.host}`
    await this.#parts.db.transaction((tx) =>
      settingWrite(tx, 'service', { name, value, at: this.#parts.clock.now() }),
    )
    return { ...found, isEnabled: asked.isEnabled, disabledReason: value.reason }
  }

  async pools(): Promise<PoolInfo[]> {
    return Promise.all(
      this.#withVolumes().map(async (host) => ({
        name: poolOf(host.name),
        hostName: host.name,
        space: await this.#space(host),
      })),
    )
  }

  async #space(host: Host): Promise<StoreSpace | null> {
    try {
      return await host.volumes!.space()
    } catch (error) {
      this.#parts.log.warn({ host: host.name, error }, 'A host did not tell its space for volumes')
      return null
    }
  }

  /** Takes `host`, `host@backend` and `host@backend#pool`. */
  assertKnown(host: string): void {
    if (!this.#known().some(({ name }) => [name, backendOf(name), poolOf(name)].includes(host)))
      throw notFound(`Host ${host} could not be found.`)
  }

  /**
   * The host with most room for a volume of this size and type. Throws `badRequest` that says why none will do,
   * `unavailable` while one that may do is not reached yet.
   */
  async choose(sizeGiB: number, type: VolumeType | undefined): Promise<string> {
    const unmet = Object.entries(type?.extraSpecs ?? {}).find(([key, value]) => !isMet(key, value))
    if (unmet)
      throw badRequest(
        `No valid backend was found. No host has ${unmet[0]} = ${unmet[1]}, as type ${type!.name} asks.`,
        {
          reason: 'NO_BACKEND',
        },
      )
    const enabled = new Set((await this.services()).filter(({ isEnabled }) => isEnabled).map(({ host }) => host))
    const pools = (await this.pools()).filter(({ hostName }) => enabled.has(backendOf(hostName)))
    const fitting = pools.filter(({ space }) => space !== null && space.totalBytes >= sizeGiB * bytesPerGiB)
    const [best] = fitting.sort((a, b) => b.space!.freeBytes - a.space!.freeBytes)
    if (best && best.space!.freeBytes > 0) return best.hostName
    this.#assertAllReached()
    throw badRequest(
      `No valid backend was found. Of ${pools.length} hosts that keep volumes none has room for ${sizeGiB} GiB.`,
      { reason: 'NO_BACKEND' },
    )
  }

  #assertAllReached(): void {
    const since = this.#parts.clock.now() - heardMs
    const missed = this.#known().find(({ isAlive, seenAt }) => !isAlive && seenAt > since)
    if (missed) throw unavailable(`Host ${missed.name} is not reached yet, and may have room`)
  }
}

/** Keys of another scope are not about backends; `<is>` asks for a truth. */
const isMet = (key: string, value: string): boolean => {
  const [scope, name] = key.includes(':') ? key.split(':', 2) : ['capabilities', key]
  if (scope !== 'capabilities' || name === undefined || name.startsWith('RESKEY')) return true
  const has = capabilities[name]
  if (has === undefined) return false
  const truth = /^<is>\s*(.*)$/i.exec(value)
  if (truth) return has.toLowerCase() === truth[1]!.trim().toLowerCase()
  return has === value
}
