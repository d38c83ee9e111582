/** The rows of Cinder's tables. Columns that lists are sorted by are never null. */

export interface VolumeRow {
  id: string
  project_id: string
  user_id: string
  name: string
  description: string
  size: number
  status: string
  /** What hosts are still to do for it, whatever the status shows; null: nothing. */
  task: string | null
  /** Of the task: the new size, the image, the snapshot, the host, the type. */
  task_args: string
  tries: number
  /** Where the status returns to when the task is done. */
  previous_status: string
  type_id: string
  host: string
  zone: string
  bootable: number
  multiattach: number
  read_only: number | null
  snapshot_id: string
  source_id: string
  image_id: string
  metadata: string
  image_metadata: string | null
  /** Quota claims that the volume holds besides its first: `[{ subject, amounts }]`. */
  charges: string
  created_at: number
  updated_at: number
}

export interface SnapshotRow {
  id: string
  volume_id: string
  project_id: string
  user_id: string
  name: string
  description: string
  size: number
  status: string
  task: string | null
  tries: number
  progress: string
  type_id: string
  host: string
  metadata: string
  created_at: number
  updated_at: number
}

export interface BackupRow {
  id: string
  volume_id: string
  snapshot_id: string
  project_id: string
  user_id: string
  name: string
  description: string
  container: string
  size: number
  status: string
  task: string | null
  tries: number
  fail_reason: string | null
  volume: string
  metadata: string
  data_at: number
  created_at: number
  updated_at: number
}

export interface AttachmentRow {
  id: string
  volume_id: string
  project_id: string
  server_id: string | null
  status: string
  host: string | null
  device: string | null
  mode: string
  connector: string | null
  /** Nova holds it: only Nova ends it. */
  by_compute: number
  attached_at: number | null
  created_at: number
  updated_at: number
}

export interface TypeRow {
  id: string
  name: string
  description: string
  is_public: number
  extra_specs: string
  qos_id: string | null
  created_at: number
  updated_at: number
}
export interface TypeAccessRow {
  type_id: string
  project_id: string
}
export interface DefaultTypeRow {
  project_id: string
  type_id: string
}
export interface QosRow {
  id: string
  name: string
  consumer: string
  specs: string
  created_at: number
  updated_at: number
}
export interface TransferRow {
  id: string
  volume_id: string
  project_id: string
  name: string
  salt: string
  key_hash: string
  no_snapshots: number
  destination_project_id: string | null
  accepted: number
  created_at: number
}
export interface MessageRow {
  id: string
  project_id: string
  request_id: string
  resource_type: string
  resource_id: string
  event_id: string
  text: string
  level: string
  created_at: number
  expires_at: number
}
/** Limits of the quota class, and services that the operator took out of use: small things under one name. */
export interface SettingRow {
  kind: string
  name: string
  value: string
  updated_at: number
}

export interface CinderTables {
  cinder_volume: VolumeRow
  cinder_snapshot: SnapshotRow
  cinder_backup: BackupRow
  cinder_attachment: AttachmentRow
  cinder_type: TypeRow
  cinder_type_access: TypeAccessRow
  cinder_default_type: DefaultTypeRow
  cinder_qos: QosRow
  cinder_transfer: TransferRow
  cinder_message: MessageRow
  cinder_setting: SettingRow
}
