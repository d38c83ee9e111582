/** Cinder's policy: upstream's rule names with the roles of secure RBAC. */
import type { PolicyRule } from '#platform/api-kit/service.ts'

const admin = 'rule:admin_api'
const reader = 'rule:xena_system_admin_or_project_reader'
const member = 'rule:xena_system_admin_or_project_member'
/** Whoever has a part of the tree shares it out, as far as Cinder's nested quota lets them. */
const quotaSetter = `${admin} or rule:manager_above`

const bases: PolicyRule[] = [
  { name: 'context_is_admin', rule: 'role:admin', about: 'Decides what counts as an administrator' },
  {
    name: 'admin_or_owner',
    rule: 'is_admin:True or (role:admin and is_admin_project:True) or project_id:%(project_id)s',
  },
  { name: 'admin_api', rule: 'rule:context_is_admin' },
  {
    name: 'manager_above',
    rule: 'role:manager and True:%(is_below)s',
    about: 'A manager of a project for the quota of those below it, and never its own',
  },
  {
    name: 'xena_system_admin_or_project_reader',
    rule: 'rule:context_is_admin or (role:reader and project_id:%(project_id)s)',
  },
  {
    name: 'xena_system_admin_or_project_member',
    rule: 'rule:context_is_admin or (role:member and project_id:%(project_id)s)',
  },
]

const named = (prefix: string, rule: string, verbs: readonly string[]): PolicyRule[] =>
  verbs.map((verb) => ({ name: `${prefix}${verb}`, rule }))

const volumes: PolicyRule[] = [
  ...named('volume:', member, [
    'create',
    'create_from_image',
    'update',
    'delete',
    'multiattach',
    'extend',
    'extend_attached_volume',
    'revert_to_snapshot',
    'retype',
    'update_readonly_flag',
    'create_volume_metadata',
    'update_volume_metadata',
    'delete_volume_metadata',
    'create_snapshot',
    'update_snapshot',
    'delete_snapshot',
    'update_snapshot_metadata',
    'delete_snapshot_metadata',
    'attachment_create',
    'attachment_update',
    'attachment_delete',
    'attachment_complete',
    'multiattach_bootable_volume',
    'create_transfer',
    'accept_transfer',
    'delete_transfer',
  ]),
  ...named('volume:', reader, [
    'get',
    'get_all',
    'get_volume_metadata',
    'get_snapshot_metadata',
    'get_all_snapshots',
    'get_snapshot',
    'get_all_transfers',
    'get_transfer',
  ]),
  ...named('volume:', admin, ['force_delete']),
]

const extensions: PolicyRule[] = [
  ...named('volume_extension:volume_actions:', member, [
    'upload_image',
    'initialize_connection',
    'terminate_connection',
    'roll_detaching',
    'reserve',
    'unreserve',
    'begin_detaching',
    'attach',
    'detach',
  ]),
  ...named('volume_extension:volume_actions:', admin, ['upload_public']),
  ...named('volume_extension:volume_admin_actions:', admin, [
    'reset_status',
    'force_delete',
    'force_detach',
    'migrate_volume',
  ]),
  ...named('volume_extension:snapshot_admin_actions:', admin, ['reset_status', 'force_delete']),
  ...named('volume_extension:volume_image_metadata:', member, ['set', 'remove']),
  ...named('volume_extension:', reader, [
    'volume_image_metadata:show',
    'volume_tenant_attribute',
    'volume_encryption_metadata',
    'extended_snapshot_attributes',
    'type_get',
    'type_get_all',
    'access_types_extra_specs',
    'types_extra_specs:index',
    'types_extra_specs:show',
  ]),
  ...named('volume_extension:', `${reader} or rule:manager_above`, ['quotas:show']),
  ...named('volume_extension:', quotaSetter, ['quotas:update', 'quotas:delete']),
  ...named('volume_extension:', admin, [
    'volume_host_attribute',
    'volume_mig_status_attribute',
    'type_create',
    'type_update',
    'type_delete',
    'access_types_qos_specs_id',
    'types_extra_specs:create',
    'types_extra_specs:update',
    'types_extra_specs:delete',
    'types_extra_specs:read_sensitive',
    'volume_type_encryption:create',
    'volume_type_encryption:get',
    'volume_type_encryption:update',
    'volume_type_encryption:delete',
    'volume_type_access:addProjectAccess',
    'volume_type_access:removeProjectAccess',
    'volume_type_access:get_all_for_type',
    'default_set_or_update',
    'default_get',
    'default_get_all',
    'default_unset',
    'qos_specs_manage:get_all',
    'qos_specs_manage:get',
    'qos_specs_manage:create',
    'qos_specs_manage:update',
    'qos_specs_manage:delete',
    'quota_classes:get',
    'quota_classes:update',
    'services:index',
    'services:update',
    'hosts',
    'capabilities',
    'list_manageable',
    'volume_manage',
    'volume_unmanage',
  ]),
  ...named('volume_extension:', member, ['volume_type_access']),
]

const rest: PolicyRule[] = [
  ...named('backup:', reader, ['get_all', 'get']),
  ...named('backup:', member, ['create', 'update', 'delete', 'restore']),
  ...named('backup:', admin, ['backup_project_attribute']),
  ...named('volume_extension:backup_admin_actions:', admin, ['reset_status', 'force_delete']),
  ...named('scheduler_extension:', admin, ['scheduler_stats:get_pools']),
  ...named('limits_extension:', reader, ['used_limits']),
  ...named('snapshot_extension:', member, ['snapshot_actions:update_snapshot_status']),
  ...named('message:', reader, ['get_all', 'get']),
  ...named('message:', member, ['delete']),
]

export const policies: PolicyRule[] = [...bases, ...volumes, ...extensions, ...rest]
