/** What other services may ask of Neutron. */
import type { Tx } from '#platform/db/database.ts'
import type { HostLeak, WantedNetwork, WantedPort, WantedRule, WantedSecurityGroup } from './ports.ts'

export interface NetworkInfo {
  id: string
  name: string
  projectId: string
  shared: boolean
  external: boolean
  adminUp: boolean
  mtu: number
  subnetIds: string[]
}

export interface PortInfo {
  id: string
  networkId: string
  networkName: string
  projectId: string
  mac: string
  fixedIps: { subnetId: string; ip: string; version: 4 | 6 }[]
  floatingIps: { address: string; fixedIp: string }[]
  deviceId: string
  deviceOwner: string
  hostName: string
  status: 'ACTIVE' | 'DOWN' | 'BUILD' | 'ERROR'
  securityGroupIds: string[]
  /** False: nothing filters the port, and it can have no security groups. */
  portSecurity: boolean
  tag?: string
}

export interface SecurityGroupInfo {
  id: string
  name: string
  description: string
  projectId: string
  rules: Omit<WantedRule, 'remoteAddresses'>[]
}

/** Everything a host needs to plug one port. */
export interface PlugPlan {
  network: WantedNetwork
  port: WantedPort
  securityGroups: WantedSecurityGroup[]
  resolvConf: string
}

export interface NeutronFacade {
  /** The network if the project may use it (own, shared with it, external for admins). By id. */
  networkFetch(id: string, viewer: { projectId: string; isAdmin: boolean }): Promise<NetworkInfo | undefined>
  /** For a server without `networks`: the project's one network, else a shared one. Several: `conflict`, as Nova. */
  networksAvailable(projectId: string): Promise<NetworkInfo[]>
  /** `networks: auto`: the project's auto-allocated topology, made when absent. */
  autoTopologyEnsure(projectId: string): Promise<NetworkInfo>
  portFetch(id: string, viewer: { projectId: string; isAdmin: boolean }): Promise<PortInfo | undefined>
  /**
   * Makes (or adopts) a device's port in the caller's transaction. Idempotent by id. Throws Neutron's kinds
   * (`conflict` IpAddressGenerationFailure / IpAddressInUse, `badRequest`, `overLimit`).
   */
  portEnsure(
    tx: Tx,
    port: {
      id: string
      networkId: string
      projectId: string
      deviceId: string
      deviceOwner: string
      hostName?: string
      fixedIps?: { ip?: string; subnetId?: string }[]
      mac?: string
      securityGroups?: string[] /* ids or names */
      dnsName?: string
      adopted?: boolean
      tag?: string
    },
  ): Promise<PortInfo>
  /** Binds a device's ports to the host it was placed on. */
  portsBind(deviceId: string, hostName: string): Promise<void>
  /** The device's ports in attach order. */
  portsOf(deviceId: string): Promise<PortInfo[]>
  portsOfMany(deviceIds: string[]): Promise<Map<string, PortInfo[]>>
  /** The plan for each port of a device, for the sandbox given. */
  plugPlans(deviceId: string, sandbox: { workloadId: string; pid: number; netns: string }): Promise<PlugPlan[]>
  /** Records what the host reported; publishes `neutron.port.changed`. */
  portStatus(portId: string, status: 'ACTIVE' | 'DOWN' | 'ERROR'): Promise<void>
  /** Deletes the ports the device made and lets go of adopted ones. Idempotent. */
  portsRelease(tx: Tx, deviceId: string): Promise<void>
  portRelease(tx: Tx, portId: string): Promise<void>
  /**
   * Names of a device besides its host name, in place of those it had: aliases, which everybody on its networks may
   * ask for (several devices may share one), and links, names of other devices for this one alone. Idempotent.
   */
  deviceNamesSet(
    tx: Tx,
    deviceId: string,
    names: { aliases: string[]; links: { deviceId: string; alias: string }[] },
  ): Promise<void>
  /**
   * The port that has the address on the network, with the domain of the network's names: whom a network's own
   * services are talking to.
   */
  portAt(networkId: string, ip: string): Promise<(PortInfo & { dnsDomain: string }) | undefined>
  /**
   * Adds security groups to a port and takes others off, by id; its host's filter follows. Throws `notFound` (port,
   * group) and `conflict` for a port without port security.
   */
  portSecurityGroups(tx: Tx, portId: string, change: { add?: string[]; remove?: string[] }): Promise<void>
  /** One more address of the port's network. Throws `conflict` IpAddressGenerationFailure, `badRequest` at 5. */
  portAddressAdd(tx: Tx, portId: string): Promise<PortInfo>
  /** Takes an address off a port, with the floating IPs that led to it. Throws `notFound`. */
  portAddressRemove(tx: Tx, portId: string, ip: string): Promise<PortInfo>
  /** The groups that a project may use, by name. A project has its default group from the first look on. */
  securityGroupsList(projectId: string): Promise<SecurityGroupInfo[]>
  /** Names of groups by id, of any project; unknown ids are left out. */
  securityGroupNames(ids: string[]): Promise<Map<string, string>>
  /** What hosts hold that bears this cloud's mark and that nothing wants; and hosts that did not answer, by name. */
  hostLeaks(): Promise<{ leaks: (HostLeak & { host: string })[]; silent: string[] }>
  /** Takes such things away, by bringing every host in line with its rows now. */
  hostLeaksReap(): Promise<void>
  /** Checks names or ids of security groups for a project; throws `notFound`/`conflict` (ambiguous). Returns ids. */
  securityGroupsResolve(projectId: string, namesOrIds: string[]): Promise<{ id: string; name: string }[]>
}
