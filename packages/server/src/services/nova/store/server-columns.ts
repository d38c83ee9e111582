/** Rows of `nova_server` to servers and back. */
import { fromFlag, fromJson, toFlag, toJson } from '#platform/db/json.ts'
import type { Fault, Flavor, SecurityGroupRef, Server } from '../manager/model.ts'
import type { ServerRow } from './tables.ts'

/** Snapshots of flavors repeat: a list of a hundred servers parses each distinct text once. */
const flavorsParsed = new Map<string, Flavor>()
const parsedFlavorsMax = 500

const flavorOf = (text: string): Flavor => {
  const known = flavorsParsed.get(text)
  if (known) return known
  if (flavorsParsed.size >= parsedFlavorsMax) flavorsParsed.clear()
  const flavor = Object.freeze(fromJson<Flavor>(text))
  flavorsParsed.set(text, flavor)
  return flavor
}

export const serverOf = (row: ServerRow): Server => ({
  id: row.id,
  projectId: row.project_id,
  userId: row.user_id,
  name: row.name,
  description: row.description,
  hostname: row.hostname,
  imageId: row.image_id,
  flavor: flavorOf(row.flavor),
  oldFlavor: row.old_flavor === null ? null : flavorOf(row.old_flavor),
  keyName: row.key_name,
  keyData: row.key_data,
  metadata: fromJson<Record<string, string>>(row.metadata),
  tags: fromJson<string[]>(row.tags),
  userData: row.user_data,
  configDrive: fromFlag(row.config_drive),
  diskConfig: row.disk_config,
  accessIpV4: row.access_ip_v4,
  accessIpV6: row.access_ip_v6,
  pinnedZone: row.pinned_zone,
  zone: row.zone,
  launchIndex: row.launch_index,
  reservationId: row.reservation_id,
  lockedBy: row.locked_by,
  lockedReason: row.locked_reason,
  groupId: row.group_id,
  hints: fromJson<Record<string, unknown>>(row.hints),
  securityGroups: fromJson<SecurityGroupRef[]>(row.security_groups),
  trustedCerts: fromJson<string[]>(row.trusted_certs) ?? null,
  vmState: row.vm_state,
  taskState: row.task_state,
  powerState: row.power_state,
  forcedState: row.forced_state,
  progress: row.progress,
  host: row.host,
  fault: fromJson<Fault>(row.fault) ?? null,
  awaited: row.awaited,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  launchedAt: row.launched_at,
  terminatedAt: row.terminated_at,
  deletedAt: row.deleted_at,
  deleted: fromFlag(row.deleted),
})

const orNull = (value: unknown): string | null => (value === null || value === undefined ? null : toJson(value))

/** How each field of a server is written; a field's column is named here and nowhere else. */
const writers: { [F in keyof Server]: (value: Server[F]) => Partial<ServerRow> } = {
  id: (id) => ({ id }),
  projectId: (project_id) => ({ project_id }),
  userId: (user_id) => ({ user_id }),
  name: (name) => ({ name }),
  description: (description) => ({ description }),
  hostname: (hostname) => ({ hostname }),
  imageId: (image_id) => ({ image_id }),
  flavor: (flavor) => ({ flavor: toJson(flavor), flavor_id: flavor.id }),
  oldFlavor: (flavor) => ({ old_flavor: orNull(flavor) }),
  keyName: (key_name) => ({ key_name }),
  keyData: (key_data) => ({ key_data }),
  metadata: (metadata) => ({ metadata: toJson(metadata) }),
  tags: (tags) => ({ tags: toJson(tags) }),
  userData: (user_data) => ({ user_data }),
  configDrive: (on) => ({ config_drive: toFlag(on) }),
  diskConfig: (disk_config) => ({ disk_config }),
  accessIpV4: (access_ip_v4) => ({ access_ip_v4 }),
  accessIpV6: (access_ip_v6) => ({ access_ip_v6 }),
  pinnedZone: (pinned_zone) => ({ pinned_zone }),
  zone: (zone) => ({ zone }),
  launchIndex: (launch_index) => ({ launch_index }),
  reservationId: (reservation_id) => ({ reservation_id }),
  lockedBy: (locked_by) => ({ locked_by }),
  lockedReason: (locked_reason) => ({ locked_reason }),
  groupId: (group_id) => ({ group_id }),
  hints: (hints) => ({ hints: toJson(hints) }),
  securityGroups: (groups) => ({ security_groups: toJson(groups) }),
  trustedCerts: (certs) => ({ trusted_certs: orNull(certs) }),
  vmState: (vm_state) => ({ vm_state }),
  taskState: (task_state) => ({ task_state }),
  powerState: (power_state) => ({ power_state }),
  forcedState: (forced_state) => ({ forced_state }),
  progress: (progress) => ({ progress }),
  host: (host) => ({ host }),
  fault: (fault) => ({ fault: orNull(fault) }),
  awaited: (awaited) => ({ awaited }),
  createdAt: (created_at) => ({ created_at }),
  updatedAt: (updated_at) => ({ updated_at }),
  launchedAt: (launched_at) => ({ launched_at }),
  terminatedAt: (terminated_at) => ({ terminated_at }),
  deletedAt: (deleted_at) => ({ deleted_at }),
  deleted: (deleted) => ({ deleted: toFlag(deleted) }),
}

/** The columns of the given fields, for an insert or an update. */
export const columnsOf = (server: Partial<Server>): Partial<ServerRow> => {
  const columns: Partial<ServerRow> = {}
  for (const [field, value] of Object.entries(server)) {
    if (value !== undefined) Object.assign(
      columns, (writers[field as keyof Server] as (value: unknown) => object)(value),
    )
  }
  return columns
}
