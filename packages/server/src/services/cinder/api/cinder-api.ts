/** What Cinder's handlers receive: its managers, by what they are about. */
import type { CinderParts } from '../manager/parts.ts'
import type { Attachments } from '../manager/attachments.ts'
import type { Backups } from '../manager/backups.ts'
import type { Connections } from '../manager/connections.ts'
import type { Messages } from '../manager/messages.ts'
import type { QosSpecs } from '../manager/qos.ts'
import type { Quotas } from '../manager/quotas.ts'
import type { Snapshots } from '../manager/snapshots.ts'
import type { Transfers } from '../manager/transfers.ts'
import type { Types } from '../manager/types.ts'
import type { VolumeActions } from '../manager/volume-actions.ts'
import type { VolumeHosts } from '../manager/hosts.ts'
import type { Volumes } from '../manager/volumes.ts'

export interface CinderApi {
  volumes: Volumes
  actions: VolumeActions
  connections: Connections
  attachments: Attachments
  snapshots: Snapshots
  types: Types
  qos: QosSpecs
  quotas: Quotas
  transfers: Transfers
  messages: Messages
  backups: Backups
  hosts: VolumeHosts
  keystone: CinderParts['facades']['keystone']
}
