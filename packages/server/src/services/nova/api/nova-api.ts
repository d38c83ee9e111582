/** What Nova's handlers receive: its managers, by what they are about. */
import type { Flavors } from '../manager/flavors.ts'
import type { Hosts } from '../manager/hosts.ts'
import type { Keypairs } from '../manager/keypairs.ts'
import type { NovaParts } from '../manager/parts.ts'
import type { Quotas } from '../manager/quotas.ts'
import type { ServerChanges } from '../manager/server-changes.ts'
import type { ServerCreate } from '../manager/server-create.ts'
import type { ServerGroups } from '../manager/server-groups.ts'
import type { ServerInsight } from '../manager/server-insight.ts'
import type { ServerInterfaces } from '../manager/server-interfaces.ts'
import type { ServerOrders } from '../manager/server-orders.ts'
import type { ServerPasswords } from '../manager/server-passwords.ts'
import type { ServerReader } from '../manager/server-reader.ts'
import type { ServerSecurity } from '../manager/server-security.ts'
import type { ServerSettings } from '../manager/server-settings.ts'
import type { Usage } from '../manager/usage.ts'
import type { VolumeAttachments } from '../manager/volume-attachments.ts'
import type { MigrationFilter } from '../store/migrations-list.ts'
import type { Migration } from '../manager/model.ts'

export interface NovaApi {
  servers: ServerReader
  serverCreate: ServerCreate
  orders: ServerOrders
  changes: ServerChanges
  settings: ServerSettings
  interfaces: ServerInterfaces
  security: ServerSecurity
  insight: ServerInsight
  flavors: Flavors
  keypairs: Keypairs
  groups: ServerGroups
  hosts: Hosts
  passwords: ServerPasswords
  quotas: Quotas
  usage: Usage
  volumes: VolumeAttachments
  migrations(filter: MigrationFilter): Promise<Migration[]>
  glance: NovaParts['facades']['glance']
  neutron: NovaParts['facades']['neutron']
  keystone: NovaParts['facades']['keystone']
}
