/** Keystone, quota, Glance and Neutron in memory, as much of them as Nova asks for. */
import type { TokenData } from '#platform/auth/context.ts'
import { conflict, notFound, overLimit } from '#platform/errors/errors.ts'
import type { GlanceFacade, ImageInfo } from '#services/glance/facade.ts'
import type { NetworkInfo, NeutronFacade, PortInfo } from '#services/neutron/facade.ts'
import type { Amounts, QuotaFacade, QuotaOwner, ReclaimNotice, ResourceUsage } from '#services/quota/facade.ts'

export const imageId = '11111111-0000-4000-8000-000000000001'
export const otherImageId = '11111111-0000-4000-8000-000000000002'
export const networkId = '22222222-0000-4000-8000-000000000001'
export const secondNetworkId = '22222222-0000-4000-8000-000000000002'

const image = (id: string, name: string): ImageInfo => ({
  id, name, status: 'active', visibility: 'public', ownerId: 'p', containerFormat: 'docker', diskFormat: 'raw',
  sizeBytes: 1024, minDiskGiB: 0,
  minRamMiB: 0, protected: false, tags: [], properties: { os_command_line: 'httpd -f -p "80"' }, inspection: null,
  createdAt: 0, updatedAt: 0,
})

type Glance = Pick<GlanceFacade, 'imageFetch' | 'imagesWith' | 'imageDelete' | 'snapshotEnsure' | 'snapshotFail'>

export class FakeGlance implements Glance {
  readonly images = new Map([image(imageId, 'web'), image(otherImageId, 'other')].map((one) => [one.id, one]))
  readonly failed: string[] = []
  async imageFetch(id: string) { return this.images.get(id) }
  async snapshotEnsure(asked: Parameters<GlanceFacade['snapshotEnsure']>[0]): Promise<void> {
    if (this.images.has(asked.id)) return
    const createdAt = this.images.size
    this.images.set(asked.id, {
      ...image(asked.id, asked.name), status: 'queued', properties: asked.properties, ownerId: asked.ownerId, createdAt,
    })
  }
  async imagesWith(ownerId: string, properties: Record<string, string>): Promise<ImageInfo[]> {
    const has = (one: ImageInfo) => Object.entries(properties).every(([key, value]) => one.properties[key] === value)
    return [...this.images.values()].filter((one) => one.ownerId === ownerId && has(one))
      .sort((one, other) => other.createdAt - one.createdAt)
  }
  async imageDelete(id: string): Promise<boolean> { return this.images.delete(id) }
  async snapshotFail(id: string): Promise<void> { this.failed.push(id) }
}

const network = (id: string, name: string): NetworkInfo =>
  ({ id, name, projectId: 'project-a', shared: true, external: false, adminUp: true, mtu: 1450, subnetIds: ['s'] })

type Neutron = Pick<NeutronFacade, 'networkFetch' | 'networksAvailable' | 'autoTopologyEnsure' | 'portFetch'
  | 'portEnsure' | 'portsBind' | 'portsOf'
  | 'portsOfMany' | 'portsRelease' | 'portRelease' | 'portSecurityGroups' | 'portAddressAdd' | 'portAddressRemove'
  | 'securityGroupNames' | 'securityGroupsList' | 'securityGroupsResolve'>

export class FakeNeutron implements Neutron {
  readonly networks = new Map(
    [network(networkId, 'private'), network(secondNetworkId, 'second')].map((one) => [one.id, one]),
  )
  readonly ports = new Map<string, PortInfo>()
  available = [networkId]
  calls = 0
  #next = 10

  async networkFetch(id: string) { return this.networks.get(id) }
  async networksAvailable() { return this.available.map((id) => this.networks.get(id)!) }
  async autoTopologyEnsure() { return this.networks.get(networkId)! }
  async portFetch(id: string) { return this.ports.get(id) }

  async portEnsure(_tx: unknown, port: Parameters<NeutronFacade['portEnsure']>[1]): Promise<PortInfo> {
    const ip = port.fixedIps?.[0]?.ip ?? `10.0.0.${this.#next++}`
    const taken = [...this.ports.values()].some(
      (one) => one.id !== port.id && one.fixedIps.some((fixed) => fixed.ip === ip),
    )
    if (taken) throw conflict(`IP address ${ip} already allocated in subnet s`, { type: 'IpAddressAlreadyAllocated' })
    const known = this.ports.get(port.id)
    const made: PortInfo = {
      id: port.id, networkId: port.networkId, networkName: this.networks.get(port.networkId)!.name,
      projectId: port.projectId, mac: 'fa:16:3e:00:00:01',
      fixedIps: known?.fixedIps ?? [{ subnetId: 's', ip, version: 4 }], floatingIps: [], deviceId: port.deviceId,
      deviceOwner: port.deviceOwner,
      hostName: '', status: 'DOWN', securityGroupIds: port.securityGroups ?? [],
      portSecurity: true, tag: port.tag,
    }
    this.ports.set(port.id, made)
    return made
  }

  async portsBind() {}
  async portsOf(deviceId: string) { return [...this.ports.values()].filter((port) => port.deviceId === deviceId) }
  async portsOfMany(ids: string[]) {
    this.calls++
    return new Map(await Promise.all(ids.map(async (id) => [id, await this.portsOf(id)] as const)))
  }

  async portsRelease(_tx: unknown, deviceId: string) {
    for (const port of await this.portsOf(deviceId)) this.ports.delete(port.id)
  }
  async portRelease(_tx: unknown, id: string) { this.ports.delete(id) }

  async portSecurityGroups(_tx: unknown, id: string, { add = [], remove = [] }: { add?: string[]; remove?: string[] }) {
    const port = this.ports.get(id)!
    const kept = port.securityGroupIds.filter((group) => !remove.includes(group))
    port.securityGroupIds = [...new Set([...kept, ...add])]
  }
  async portAddressAdd(_tx: unknown, id: string) {
    const port = this.ports.get(id)!
    port.fixedIps = [...port.fixedIps, { subnetId: 's', ip: `10.0.0.${this.#next++}`, version: 4 }]
    return port
  }
  async portAddressRemove(_tx: unknown, id: string, ip: string) {
    const port = this.ports.get(id)!
    port.fixedIps = port.fixedIps.filter((fixed) => fixed.ip !== ip)
    return port
  }
  async securityGroupsList(projectId: string) {
    return ['default', 'web'].map((name) => ({ id: `sg-${name}`, name, description: '', projectId, rules: [] }))
  }
  async securityGroupNames(ids: string[]) { return new Map(ids.map((id) => [id, id.replace('sg-', '')])) }

  async securityGroupsResolve(_projectId: string, names: string[]) {
    return names.map((name) => {
      if (!['default', 'web'].includes(name)) throw notFound(`Unable to find security group with name or id '${name}'`)
      return { id: `sg-${name}`, name }
    })
  }
}

type Quota = Pick<QuotaFacade, 'reserve' | 'commit' | 'cancel' | 'release' | 'handOn' | 'standing' | 'usage' | 'limits'
  | 'defaults' | 'setLimits' | 'resetLimits' | 'ensureResource' | 'notices' | 'noticeOf' | 'owns'>

export class FakeQuota implements Quota {
  readonly held = new Map<string, { projectId: string; deltas: Record<string, number> }>()
  readonly own = new Map<string, Record<string, number>>()
  readonly registered: Record<string, number> = {}
  reclaims: ReclaimNotice[] = []

  async reserve(_tx: unknown, { projectId, deltas, subject }: { projectId: string; deltas: Amounts; subject: string }) {
    if (this.held.has(subject)) return { subject, projectId, deltas, state: 'reserved' as const }
    const limits = await this.limits(projectId)
    for (const [resource, asked] of Object.entries(deltas)) {
      const used = this.#used(projectId, resource)
      if (limits[resource]! >= 0 && used + asked > limits[resource]!) {
        throw overLimit(
          `Quota exceeded for ${resource}: Requested ${asked}, but already used ${used} of ${limits[resource]}`,
          { resource },
        )
      }
    }
    this.held.set(subject, { projectId, deltas: { ...deltas } })
    return { subject, projectId, deltas, state: 'reserved' as const }
  }

  async handOn(_tx: unknown, subject: string, heirs: readonly { subject: string; deltas: Amounts }[]) {
    const { projectId } = this.held.get(subject)!
    this.held.delete(subject)
    for (const { subject: heir, deltas } of heirs) this.held.set(heir, { projectId, deltas: { ...deltas } })
  }

  async standing(_executor: unknown, subjects: readonly string[]) {
    return new Map(subjects.filter((one) => this.held.has(one)).map((one) => [one, 'committed' as const]))
  }

  readonly owners: QuotaOwner[] = []
  owns(owner: QuotaOwner) { this.owners.push(owner) }
  async commit() {}
  async cancel(tx: unknown, subject: string) { await this.release(tx, { subject }) }
  async notices() { return this.reclaims.filter(({ subject }) => this.held.has(subject)) }
  async noticeOf(_executor: unknown, asked: string) {
    return (await this.notices()).find(({ subject }) => subject === asked)
  }
  async release(_tx: unknown, { subject, deltas }: { subject: string; deltas?: Amounts }) {
    const held = this.held.get(subject)
    if (!held) return
    if (!deltas) { this.held.delete(subject); return }
    for (const [name, amount] of Object.entries(deltas)) {
      held.deltas[name] = Math.max(0, (held.deltas[name] ?? 0) - amount)
    }
  }

  #used(projectId: string, resource: string): number {
    return [...this.held.values()].filter((one) => one.projectId === projectId).reduce(
      (sum, one) => sum + (one.deltas[resource] ?? 0), 0,
    )
  }

  async usage(projectId: string) {
    const limits = await this.limits(projectId)
    return Object.fromEntries(
      Object.keys(limits).map((name) => [
        name, { limit: limits[name], inUse: this.#used(projectId, name), reserved: 0 } as ResourceUsage,
      ]),
    )
  }

  async limits(projectId: string) { return { ...this.registered, ...this.own.get(projectId) } }
  async defaults() { return this.registered }
  async setLimits({ projectId, limits }: { projectId: string; limits: Readonly<Record<string, unknown>> }) {
    this.own.set(projectId, { ...this.own.get(projectId), ...(limits as Record<string, number>) })
  }
  async resetLimits(projectId: string) { this.own.delete(projectId) }
  async ensureResource({ name, defaultLimit }: { name: string; defaultLimit: number }) {
    this.registered[name] = defaultLimit
  }
}

const tokenOf = (user: string, project: string, roles: string[]): TokenData => ({
  methods: ['password'], auditIds: ['a'], issuedAt: 0, expiresAt: Number.MAX_SAFE_INTEGER,
  user: { id: user, name: user, domain: { id: 'default', name: 'Default' } },
  project: { id: project, name: project, domain: { id: 'default', name: 'Default' } },
  roles: roles.map((name) => ({ id: name, name })),
})

/** Token text → who it is. */
export const people: Record<string, TokenData> = {
  admin: tokenOf('admin', 'admin-project', ['admin', 'manager', 'member', 'reader']),
  alice: tokenOf('alice', 'project-a', ['member', 'reader']),
  bob: tokenOf('bob', 'project-b', ['member', 'reader']),
  reader: tokenOf('rita', 'project-a', ['reader']),
}
