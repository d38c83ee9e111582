/** The rows of Nova's tables, as Kysely sees them. Times are milliseconds, booleans 0 or 1, documents JSON text. */
import type { Generated } from 'kysely'
import type { GroupPolicy } from '../manager/model.ts'
import type { PowerState, TaskState, VmState } from '../states/server-state.ts'

export interface ServerRow {
  id: string
  project_id: string
  user_id: string
  name: string
  description: string | null
  hostname: string
  image_id: string | null
  /** The flavor as it was when the server took it: later edits of the flavor do not reach it. */
  flavor: string
  flavor_id: string
  /** The flavor to return to, from the resize order until it is confirmed or reverted. */
  old_flavor: string | null
  key_name: string | null
  key_data: string | null
  metadata: string
  tags: string
  user_data: string | null
  config_drive: number
  disk_config: 'AUTO' | 'MANUAL'
  access_ip_v4: string | null
  access_ip_v6: string | null
  /** The zone the client asked for; null when it asked for none. */
  pinned_zone: string | null
  /** The zone of the host it landed on. */
  zone: string | null
  launch_index: number
  reservation_id: string
  locked_by: 'owner' | 'admin' | null
  locked_reason: string | null
  group_id: string | null
  hints: string
  security_groups: string
  trusted_certs: string | null
  vm_state: VmState
  task_state: TaskState | null
  power_state: PowerState
  /** What an administrator set by `os-resetState`; it stands until the next order. */
  forced_state: 'error' | null
  progress: number
  host: string | null
  fault: string | null
  /** The workload generation that ends the order under way; 0 when none is. */
  awaited: number
  created_at: number
  updated_at: number
  launched_at: number | null
  terminated_at: number | null
  deleted_at: number | null
  deleted: number
}

export interface ServerTagRow { server_id: string; tag: string }

export interface ActionRow {
  id: Generated<number>
  server_id: string
  action: string
  event: string
  request_id: string
  user_id: string
  project_id: string
  /** The workload generation that finishes it; null: finished by whoever wrote it. */
  generation: number | null
  host: string | null
  message: string | null
  result: 'Success' | 'Error' | null
  details: string | null
  started_at: number
  finished_at: number | null
  updated_at: number
}

/** A snapshot that was ordered and is not yet stored. */
export interface SnapshotRow {
  image_id: string
  server_id: string
  action_id: number
  /** What Glance is to record of the image, as JSON: whoever comes first makes the record. */
  image: string
  tries: number
  created_at: number
}

/** A server that was warned of a reclaim: the action that says so, and whether it got the tag for it. */
export interface ReclaimRow { server_id: string; action_id: number; deadline_at: number; tagged: number }

/** A server stopped for a reclaim. `released`: 0 it holds all still, 1 its place only, 2 nothing. */
export interface ParkedRow { server_id: string; released: number }

export interface FlavorRow {
  number: Generated<number>
  id: string
  name: string
  description: string | null
  vcpus: number
  ram_mib: number
  disk_gib: number
  ephemeral_gib: number
  swap_mib: number
  rxtx_factor: number
  is_public: number
  extra_specs: string
  created_at: number
  updated_at: number | null
}

export interface FlavorAccessRow { flavor_id: string; project_id: string }

export interface KeypairRow {
  number: Generated<number>
  user_id: string
  name: string
  type: 'ssh' | 'x509'
  fingerprint: string
  public_key: string
  created_at: number
}

export interface ServerGroupRow {
  id: string
  project_id: string
  user_id: string
  name: string
  policy: GroupPolicy
  rules: string
  created_at: number
}

export interface AggregateRow {
  number: Generated<number>
  uuid: string
  name: string
  zone: string | null
  metadata: string
  hosts: string
  created_at: number
  updated_at: number | null
}

export interface ForcedDownRow { host: string; since: number }

export interface MigrationRow {
  number: Generated<number>
  uuid: string
  server_id: string
  project_id: string
  user_id: string
  type: 'resize' | 'migration'
  status: string
  host: string
  old_flavor_id: string
  new_flavor_id: string
  created_at: number
  updated_at: number
}

export interface NovaTables {
  nova_server: ServerRow
  nova_server_tag: ServerTagRow
  nova_action: ActionRow
  nova_snapshot: SnapshotRow
  nova_reclaim: ReclaimRow
  nova_parked: ParkedRow
  nova_flavor: FlavorRow
  nova_flavor_access: FlavorAccessRow
  nova_keypair: KeypairRow
  nova_server_group: ServerGroupRow
  nova_aggregate: AggregateRow
  nova_forced_down: ForcedDownRow
  nova_migration: MigrationRow
}
