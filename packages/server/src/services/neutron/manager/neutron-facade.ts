/** Answers Neutron's facade from the same rows and rules as its API. */
import type { Tx } from '#platform/db/database.ts'
import { badRequest, conflict, notFound } from '#platform/errors/errors.ts'
import { ownOrOnOwnNetwork, ownOrOpened, sharedAmong, type Viewer } from '../store/access.ts'
import { deviceNamesReplace } from '../store/device-names.ts'
import { networkKind, portKind, securityGroupKind, subnetKind } from '../store/kinds.ts'
import { equals, fetch, isIn, list, listFields, update } from '../store/records.ts'
import type { Network, Port, PortSandbox } from '../store/tables.ts'
import type { NetworkInfo, NeutronFacade, PlugPlan, PortInfo, SecurityGroupInfo } from '../facade.ts'
import { Collection } from './collection.ts'
import { defaultGroupEnsure } from './default-group.ts'
import type { Topology } from './auto-topology.ts'
import { portAddressAdd, portAddressRemove, portGroupsChange } from './port-edits.ts'
import { attachOrder, portChange, portDrop, portMake } from './port-maker.ts'
import { changed, type NeutronParts } from './parts.ts'
import { portInfos, portInfosOfDevices, portsOfDevices } from './port-views.ts'
import { deviceNamesSet, portAt, type DeviceNamesAsk } from './names.ts'
import { hostLeaks, hostLeaksReap, type HostLeaks } from './host-leaks.ts'
import { missing } from './refusals.ts'
import { securityGroupInfos } from './groups/security-group-views.ts'
import { hostView, routerHome, withRouters } from './host-view.ts'
import { resolvConfOf, wantedGroups, wantedNetwork, wantedPort } from './wanted.ts'
import { plugRows } from './wanted-rows.ts'

type PortAsk = Parameters<NeutronFacade['portEnsure']>[1]

export class NeutronFront implements NeutronFacade {
  readonly #parts: NeutronParts
  readonly #topology: Topology
  readonly #networks: Collection<Network>
  readonly #ports: Collection<Port>
  constructor(parts: NeutronParts, topology: Topology) {
    this.#parts = parts
    this.#topology = topology
    this.#networks = new Collection(parts, networkKind, (viewer) => ownOrOpened(viewer, 'network'))
    this.#ports = new Collection(parts, portKind, ownOrOnOwnNetwork)
  }

  async networkFetch(id: string, viewer: Viewer): Promise<NetworkInfo | undefined> {
    const network = await this.#networks.find(viewer, id)
    return network && (await this.#infos([network], viewer.projectId))[0]
  }

  async networksAvailable(projectId: string): Promise<NetworkInfo[]> {
    const { db } = this.#parts
    const mine = await list(db, networkKind, { conditions: [equals('project_id', projectId), equals('external', 0)] })
    if (mine.length > 0) return this.#infos(mine, projectId)
    const opened = ownOrOpened({ projectId, isAdmin: false }, 'network')!
    return this.#infos(await list(db, networkKind, { conditions: [opened, equals('external', 0)] }), projectId)
  }

  async autoTopologyEnsure(projectId: string): Promise<NetworkInfo> {
    const network = await this.#topology.ensure(projectId)
    return (await this.#infos([network], projectId))[0]!
  }

  async #infos(networks: Network[], projectId: string): Promise<NetworkInfo[]> {
    const ids = networks.map(({ id }) => id)
    if (ids.length === 0) return []
    const [shared, subnets] = await Promise.all([
      sharedAmong(this.#parts.db, 'network', ids, projectId),
      list(this.#parts.db, subnetKind, { conditions: [isIn('network_id', ids)] }),
    ])
    return networks.map((network) => ({
      id: network.id,
      name: network.name,
      projectId: network.project_id,
      shared: shared.has(network.id),
      external: network.external,
      adminUp: network.admin_state_up,
      mtu: network.mtu,
      subnetIds: subnets.filter(({ network_id }) => network_id === network.id).map(({ id }) => id),
    }))
  }

  async portFetch(id: string, viewer: Viewer): Promise<PortInfo | undefined> {
    const port = await this.#ports.find(viewer, id)
    return port && (await portInfos(this.#parts.db, [port]))[0]
  }

  async portEnsure(tx: Tx, ask: PortAsk): Promise<PortInfo> {
    const known = await fetch(tx, portKind, ask.id)
    if (known?.device_id === ask.deviceId) return this.#info(tx, known)
    if (known) return this.#info(tx, await this.#adopt(tx, known, ask))
    if (ask.adopted) throw missing(portKind, ask.id)
    const network = await fetch(tx, networkKind, ask.networkId)
    if (!network) throw missing(networkKind, ask.networkId)
    return this.#info(tx, await this.#make(tx, network, ask))
  }

  async #info(tx: Tx, port: Port): Promise<PortInfo> {
    return (await portInfos(tx, [port]))[0]!
  }

  async #make(tx: Tx, network: Network, ask: PortAsk): Promise<Port> {
    return portMake(this.#parts, tx, network, {
      id: ask.id,
      project_id: ask.projectId,
      device_id: ask.deviceId,
      device_owner: ask.deviceOwner,
      host: ask.hostName ?? '',
      dns_name: ask.dnsName ?? '',
      device_tag: ask.tag ?? '',
      ...(ask.mac && { mac_address: ask.mac }),
      ...(ask.fixedIps && {
        fixed_ips: ask.fixedIps.map(({ ip, subnetId }) => ({
          ...(ip && { ip_address: ip }),
          ...(subnetId && { subnet_id: subnetId }),
        })),
      }),
      security_groups: network.port_security_enabled ? await this.#groups(tx, ask) : [],
    })
  }

  async #groups(tx: Tx, { projectId, securityGroups }: PortAsk): Promise<string[]> {
    if (securityGroups?.length) return (await this.#resolve(tx, projectId, securityGroups)).map(({ id }) => id)
    return [await defaultGroupEnsure(this.#parts, tx, projectId)]
  }

  async #adopt(tx: Tx, port: Port, ask: PortAsk): Promise<Port> {
    if (port.device_id !== '')
      throw conflict(`Port ${port.id} is still in use.`, { type: 'PortInUse', usedBy: port.device_id })
    return portChange(this.#parts, tx, port, {
      fields: {
        device_id: ask.deviceId,
        device_owner: ask.deviceOwner,
        host: ask.hostName ?? port.host,
        device_tag: ask.tag ?? '',
        adopted: true,
        attached_at: attachOrder(this.#parts),
        ...(port.dns_name === '' && ask.dnsName !== undefined && { dns_name: ask.dnsName }),
      },
    })
  }

  async portsBind(deviceId: string, hostName: string): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      const now = this.#parts.clock.now()
      for (const port of await portsOfDevices(tx, [deviceId])) {
        if (port.host === hostName) continue
        await update(tx, portKind, port, { host: hostName }, now)
        changed(tx, 'port', port.id)
      }
    })
  }

  async portsOf(deviceId: string): Promise<PortInfo[]> {
    return portInfosOfDevices(this.#parts.db, [deviceId])
  }

  async portsOfMany(deviceIds: string[]): Promise<Map<string, PortInfo[]>> {
    const infos = await portInfosOfDevices(this.#parts.db, deviceIds)
    const byDevice = Map.groupBy(infos, ({ deviceId }) => deviceId)
    return new Map(deviceIds.map((id) => [id, byDevice.get(id) ?? []]))
  }

  async plugPlans(deviceId: string, sandbox: PortSandbox): Promise<PlugPlan[]> {
    const { db, settings, hosts, clock } = this.#parts
    const ports = await portsOfDevices(db, [deviceId])
    if (ports.length === 0) return []
    // A sandbox without a process is a question, asked before the container exists.
    if (sandbox.pid > 0) await this.#remember(ports, sandbox)
    const rows = await plugRows(db, ports)
    const neighbours = withRouters(rows.neighbours, routerHome(hosts, clock.now()))
    const groups = wantedGroups(rows)
    const resolvConf = resolvConfOf(ports, rows, settings.resolvers)
    return ports.flatMap((port, position) => {
      const network = rows.networks.find(({ id }) => id === port.network_id)
      if (!network) return []
      const own = new Set([
        ...port.security_groups,
        ...rows.rules
          .filter((rule) => port.security_groups.includes(rule.security_group_id))
          .flatMap(({ remote_group_id }) => remote_group_id ?? []),
      ])
      return [
        {
          network: wantedNetwork(network, { ...rows, neighbours }, hostView(hosts, port.host, clock.now())),
          port: wantedPort({ ...port, sandbox }, { position, network, subnets: rows.subnets }),
          securityGroups: groups.filter(({ id }) => own.has(id)),
          resolvConf,
        },
      ]
    })
  }

  async #remember(ports: Port[], sandbox: PortSandbox): Promise<void> {
    await this.#parts.db.transaction(async (tx) => {
      await tx
        .as<any>()
        .updateTable('neutron_port')
        .set({ sandbox: JSON.stringify(sandbox) })
        .where(
          'id',
          'in',
          ports.map(({ id }) => id),
        )
        .execute()
    })
  }

  async portStatus(portId: string, status: 'ACTIVE' | 'DOWN' | 'ERROR'): Promise<void> {
    await this.#parts.db.transaction((tx) => portStatusSet(this.#parts, tx, portId, status))
  }

  async portsRelease(tx: Tx, deviceId: string): Promise<void> {
    await deviceNamesReplace(tx, deviceId, [])
    for (const port of await portsOfDevices(tx, [deviceId])) await this.#release(tx, port)
  }

  deviceNamesSet(tx: Tx, deviceId: string, names: DeviceNamesAsk): Promise<void> {
    return deviceNamesSet(tx, deviceId, names)
  }

  portAt(networkId: string, ip: string): ReturnType<NeutronFacade['portAt']> {
    return portAt(this.#parts, networkId, ip)
  }

  async portRelease(tx: Tx, portId: string): Promise<void> {
    const port = await fetch(tx, portKind, portId)
    if (port && port.device_id !== '') await this.#release(tx, port)
  }

  async #release(tx: Tx, port: Port): Promise<void> {
    if (!port.adopted) return portDrop(this.#parts, tx, port)
    const fields = {
      device_id: '',
      device_owner: '',
      host: '',
      sandbox: null,
      adopted: false,
      device_tag: '',
      status: 'DOWN',
    }
    await portChange(this.#parts, tx, port, { fields })
  }

  portSecurityGroups(tx: Tx, portId: string, change: { add?: string[]; remove?: string[] }): Promise<void> {
    return portGroupsChange(this.#parts, tx, portId, change)
  }

  async portAddressAdd(tx: Tx, portId: string): Promise<PortInfo> {
    return this.#info(tx, await portAddressAdd(this.#parts, tx, portId))
  }

  async portAddressRemove(tx: Tx, portId: string, ip: string): Promise<PortInfo> {
    return this.#info(tx, await portAddressRemove(this.#parts, tx, portId, ip))
  }

  securityGroupsList(projectId: string): Promise<SecurityGroupInfo[]> {
    return this.#parts.db.transaction((tx) => securityGroupInfos(this.#parts, tx, projectId))
  }

  async securityGroupNames(ids: string[]): Promise<Map<string, string>> {
    const wanted = isIn('id', [...new Set(ids)])
    const groups = await listFields(this.#parts.db, securityGroupKind, ['id', 'name'], [wanted])
    return new Map(groups.map(({ id, name }) => [id, name]))
  }

  hostLeaks(): Promise<HostLeaks> {
    return hostLeaks(this.#parts)
  }

  hostLeaksReap(): Promise<void> {
    return hostLeaksReap(this.#parts)
  }

  securityGroupsResolve(projectId: string, namesOrIds: string[]): Promise<{ id: string; name: string }[]> {
    return this.#parts.db.transaction((tx) => this.#resolve(tx, projectId, namesOrIds))
  }

  async #resolve(tx: Tx, projectId: string, namesOrIds: string[]): Promise<{ id: string; name: string }[]> {
    if (namesOrIds.includes('default')) await defaultGroupEnsure(this.#parts, tx, projectId)
    const visible = ownOrOpened({ projectId, isAdmin: false }, 'security_group')!
    const found = await list(tx, securityGroupKind, {
      conditions: [visible, (where) => where.or([isIn('id', namesOrIds)(where), isIn('name', namesOrIds)(where)])],
    })
    return namesOrIds.map((asked) =>
      oneGroup(
        asked,
        found.filter(({ id, name }) => id === asked || name === asked),
        projectId,
      ),
    )
  }
}

const oneGroup = (
  asked: string,
  found: { id: string; name: string }[],
  projectId: string,
): { id: string; name: string } => {
  const exact = found.find(({ id }) => id === asked) ?? found[0]
  if (!exact)
    throw notFound(`Security group ${asked} not found for project ${projectId}.`, { type: 'SecurityGroupNotFound' })
  if (found.length > 1 && exact.id !== asked) {
    throw conflict(`Multiple security groups found matching '${asked}'. Use an ID to be more specific.`, {
      type: 'NoUniqueMatch',
    })
  }
  return { id: exact.id, name: exact.name }
}

/** Writes what the host reported, if it is news. A port that went down is in no sandbox any more. */
export const portStatusSet = async (parts: NeutronParts, tx: Tx, portId: string, status: string): Promise<void> => {
  const port = await fetch(tx, portKind, portId)
  if (!port || (port.status === status && !(status === 'DOWN' && port.sandbox))) return
  if (!['ACTIVE', 'DOWN', 'ERROR', 'BUILD'].includes(status)) throw badRequest(`Port status "${status}" is not known`)
  await update(tx, portKind, port, { status, ...(status === 'DOWN' && { sandbox: null }) }, parts.clock.now())
  tx.emit('neutron.port.changed', { id: portId, deviceId: port.device_id, status })
}
