/** Nova's policy: upstream's rule names with the roles of secure RBAC. */
import type { PolicyRule } from '#platform/api-kit/service.ts'

const admin = 'rule:context_is_admin'
const member = 'rule:project_member_or_admin'
const reader = 'rule:project_reader_or_admin'
const manager = 'rule:project_manager_or_admin'
const service = 'rule:service_or_admin'
const keypairOwner = '(rule:context_is_admin) or user_id:%(user_id)s'
/** Whoever has a part of the tree shares it out; upstream, which has no tree, knows administrators only. */
const quotaSetter = `${admin} or rule:manager_above`
const anybody = '@'
const nobody = '!'

const bases: PolicyRule[] = [
  { name: 'context_is_admin', rule: 'role:admin', about: 'Decides what counts as an administrator' },
  { name: 'admin_or_owner', rule: 'is_admin:True or project_id:%(project_id)s' },
  { name: 'admin_api', rule: 'is_admin:True' },
  { name: 'project_manager_api', rule: 'role:manager and project_id:%(project_id)s' },
  { name: 'project_member_api', rule: 'role:member and project_id:%(project_id)s' },
  { name: 'project_reader_api', rule: 'role:reader and project_id:%(project_id)s' },
  { name: 'project_manager_or_admin', rule: 'rule:project_manager_api or rule:context_is_admin' },
  { name: 'project_member_or_admin', rule: 'rule:project_member_api or rule:context_is_admin' },
  { name: 'project_reader_or_admin', rule: 'rule:project_reader_api or rule:context_is_admin' },
  {
    name: 'manager_above', rule: 'role:manager and True:%(is_below)s',
    about: 'A manager of a project for the quota of those below it, and never its own',
  },
  { name: 'service_api', rule: 'role:service' },
  { name: 'service_or_admin', rule: 'rule:service_api or rule:context_is_admin' },
]

const compute = (resource: string, rules: Record<string, string>): PolicyRule[] =>
  Object.entries(rules).map(
    ([verb, rule]) => ({ name: `os_compute_api:${resource}${verb && `:${verb}`}`, rule, scopes: ['project'] }),
  )

const plain = (rules: Record<string, string>): PolicyRule[] =>
  Object.entries(rules).map(([name, rule]) => ({ name, rule, scopes: ['project'] }))

const servers: PolicyRule[] = [
  ...compute('servers', {
    index: reader, detail: reader, 'index:get_all_tenants': admin, 'detail:get_all_tenants': admin,
    allow_all_filters: admin, show: reader,
    'show:flavor-extra-specs': reader, 'show:host_status': admin, 'show:host_status:unknown-only': admin,
    create: member, 'create:forced_host': admin,
    'create:attach_volume': member, 'create:attach_network': member, 'create:trusted_certs': member,
    'create:zero_disk_flavor': admin,
    'create:privileged': admin, 'create:unreclaimable': admin,
    delete: member, update: member, confirm_resize: member, revert_resize: member,
    reboot: member, resize: member,
    rebuild: member, 'rebuild:trusted_certs': member, create_image: member, 'create_image:allow_volume_backed': member,
    start: member, stop: member,
    trigger_crash_dump: member, 'migrations:show': admin, 'migrations:force_complete': manager,
    'migrations:delete': manager,
    'migrations:index': manager, 'migrations:index:host': admin,
  }),
  ...plain({
    'compute:servers:create:requested_destination': admin, 'compute:servers:resize:cross_cell': nobody,
    'network:attach_external_network': admin,
    'compute:server:topology:index': reader, 'compute:server:topology:host:index': admin,
    'compute:aggregates:images': admin,
  }),
]

const serverParts: PolicyRule[] = [
  ...compute('os-admin-actions', { reset_state: admin, inject_network_info: admin }),
  ...compute('os-admin-password', { '': member }),
  ...compute('os-attach-interfaces', { list: reader, show: reader, create: member, delete: member }),
  ...compute('os-console-output', { '': member }),
  ...compute('os-remote-consoles', { '': member }),
  ...compute('os-console-auth-tokens', { '': admin }),
  ...compute('os-create-backup', { '': member }),
  ...compute('os-deferred-delete', { restore: member, force: member }),
  ...compute('os-evacuate', { '': admin }),
  ...compute('os-extended-server-attributes', { '': admin }),
  ...compute('os-floating-ips', { add: member, remove: member }),
  ...compute('os-instance-actions', { 'events:details': admin, events: admin, list: reader, show: reader }),
  ...compute('ips', { show: reader, index: reader }),
  ...compute('os-lock-server', { lock: member, unlock: member, 'unlock:unlock_override': admin }),
  ...compute('os-migrate-server', {
    migrate: manager, 'migrate:host': admin, migrate_live: manager, 'migrate_live:host': admin,
  }),
  ...compute('os-multinic', { add: member, remove: member }),
  ...compute('os-pause-server', { pause: member, unpause: member }),
  ...compute('os-rescue', { '': member }),
  ...compute('os-unrescue', { '': member }),
  ...compute('os-security-groups', { get: reader, show: reader, list: reader, add: member, remove: member }),
  ...compute('os-server-diagnostics', { '': admin }),
  ...compute('os-server-external-events', { create: service }),
  ...compute('server-metadata', {
    index: reader, show: reader, create: member, update_all: member, update: member, delete: member,
  }),
  ...compute('os-server-password', { show: reader, clear: member }),
  ...compute('os-server-tags', {
    delete_all: member, index: reader, update_all: member, delete: member, update: member, show: reader,
  }),
  ...compute('os-shelve', { shelve: member, unshelve: member, unshelve_to_host: admin, shelve_offload: admin }),
  ...compute('os-networks', { list: reader, show: reader }),
  ...compute('os-tenant-networks', { list: reader, show: reader }),
  ...compute('os-suspend-server', { resume: member, suspend: member }),
  ...compute('os-volumes-attachments', {
    index: reader, show: reader, create: member, update: member, swap: admin, delete: member,
  }),
]

const catalogue: PolicyRule[] = [
  ...compute('extensions', { '': anybody }),
  ...compute('os-flavor-access', { '': admin, add_tenant_access: admin, remove_tenant_access: admin }),
  ...compute('os-flavor-extra-specs', { show: reader, create: admin, update: admin, delete: admin, index: reader }),
  ...compute('os-flavor-manage', { create: admin, update: admin, delete: admin }),
  ...compute('os-keypairs', { index: keypairOwner, create: keypairOwner, delete: keypairOwner, show: keypairOwner }),
  ...compute('limits', { '': anybody, other_project: admin }),
  ...compute('os-quota-class-sets', { show: admin, update: admin }),
  ...compute('os-quota-sets', {
    update: quotaSetter, defaults: anybody, show: `${reader} or rule:manager_above`, delete: quotaSetter,
    detail: `${reader} or rule:manager_above`,
  }),
  ...compute('os-server-groups', {
    create: member, delete: member, index: reader, 'index:all_projects': admin, show: reader,
  }),
  ...compute('os-simple-tenant-usage', { show: reader, list: admin }),
]

const operator: PolicyRule[] = [
  ...compute('os-aggregates', {
    set_metadata: admin, add_host: admin, create: admin, remove_host: admin, update: admin, index: admin, delete: admin,
    show: admin,
  }),
  ...compute('os-availability-zone', { list: anybody, detail: admin }),
  ...compute('os-hosts', { list: admin, show: admin, update: admin, reboot: admin, shutdown: admin, start: admin }),
  ...compute('os-hypervisors', {
    list: admin, 'list-detail': admin, statistics: admin, show: admin, uptime: admin, search: admin, servers: admin,
  }),
  ...compute('os-instance-usage-audit-log', { list: admin, show: admin }),
  ...compute('os-migrations', { index: manager, 'index:all_projects': admin, 'index:host': admin }),
  ...compute('os-services', { list: admin, update: admin, delete: admin }),
]

export const policies: PolicyRule[] = [...bases, ...servers, ...serverParts, ...catalogue, ...operator]
