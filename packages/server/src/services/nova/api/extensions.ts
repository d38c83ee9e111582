/** The list of extensions, which older clients read to learn what the API can do. */
import { defineRoute } from '#platform/api-kit/route.ts'
import type { Route } from '#platform/api-kit/route.ts'
import { notFound } from '#platform/errors/errors.ts'
import type { NovaApi } from './nova-api.ts'

/** alias: name. Only what this service serves. */
const served: Record<string, string> = {
  'OS-DCF': 'DiskConfig', 'OS-EXT-AZ': 'ExtendedAvailabilityZone', 'OS-EXT-IMG-SIZE': 'ImageSize',
  'OS-EXT-IPS': 'ExtendedIps',
  'OS-EXT-IPS-MAC': 'ExtendedIpsMac', 'OS-EXT-SRV-ATTR': 'ExtendedServerAttributes', 'OS-EXT-STS': 'ExtendedStatus',
  'OS-FLV-DISABLED': 'FlavorDisabled', 'OS-FLV-EXT-DATA': 'FlavorExtraData', 'OS-SCH-HNT': 'SchedulerHints',
  'OS-SRV-USG': 'ServerUsage',
  'os-access-ips': 'AccessIPs', 'os-admin-actions': 'AdminActions', 'os-admin-password': 'AdminPassword',
  'os-aggregates': 'Aggregates',
  'os-attach-interfaces': 'AttachInterfaces', 'os-availability-zone': 'AvailabilityZone',
  'os-config-drive': 'ConfigDrive',
  'os-console-output': 'ConsoleOutput', 'os-consoles': 'Consoles', 'os-create-backup': 'CreateBackup',
  'os-deferred-delete': 'DeferredDelete', 'os-evacuate': 'Evacuate', 'os-migrate-server': 'MigrateServer',
  'os-rescue': 'Rescue',
  'os-shelve': 'Shelve', 'os-tenant-networks': 'TenantNetworks', 'os-create-server-ext': 'Createserverext',
  'os-extended-quotas': 'ExtendedQuotas',
  'os-extended-services': 'ExtendedServices', 'os-extended-status': 'ExtendedStatus',
  'os-extended-volumes': 'ExtendedVolumes',
  'os-flavor-access': 'FlavorAccess', 'os-flavor-extra-specs': 'FlavorExtraSpecs', 'os-flavor-manage': 'FlavorManage',
  'os-flavor-rxtx': 'FlavorRxtx', 'os-flavor-swap': 'FlavorSwap', 'os-hosts': 'Hosts',
  'os-hypervisor-status': 'HypervisorStatus',
  'os-hypervisors': 'Hypervisors', 'os-instance-actions': 'InstanceActions', 'os-keypairs': 'Keypairs',
  'os-lock-server': 'LockServer',
  'os-migrations': 'Migrations', 'os-multiple-create': 'MultipleCreate', 'os-pause-server': 'PauseServer',
  'os-personality': 'Personality',
  'os-quota-class-sets': 'QuotaClasses', 'os-quota-sets': 'Quotas', 'os-security-groups': 'SecurityGroups',
  'os-server-diagnostics': 'ServerDiagnostics', 'os-server-external-events': 'ServerExternalEvents',
  'os-server-group-quotas': 'ServerGroupQuotas',
  'os-server-groups': 'ServerGroups', 'os-server-list-multi-status': 'ServerListMultiStatus',
  'os-server-password': 'ServerPassword',
  'os-server-sort-keys': 'ServerSortKeys', 'os-server-start-stop': 'ServerStartStop', 'os-services': 'Services',
  'os-simple-tenant-usage': 'SimpleTenantUsage', 'os-suspend-server': 'SuspendServer', 'os-used-limits': 'UsedLimits',
  'os-used-limits-for-admin': 'UsedLimitsForAdmin', 'os-user-data': 'UserData',
  'os-virtual-interfaces': 'VirtualInterfaces',
}

const view = (alias: string) => ({
  alias, name: served[alias]!, description: `${served[alias]} support.`, links: [],
  namespace: 'http://docs.openstack.org/compute/ext/fake_xml', updated: '2014-12-03T00:00:00Z',
})

export const extensionRoutes: Route<NovaApi>[] = [
  defineRoute<NovaApi>({
    id: 'extensions.list', method: 'GET', path: '/extensions', summary: 'List extensions',
    policy: 'os_compute_api:extensions', reply: { status: 200 },
    handler: () => ({ extensions: Object.keys(served).map(view) }),
  }),
  defineRoute<NovaApi>({
    id: 'extensions.show', method: 'GET', path: '/extensions/{alias}', summary: 'Show an extension',
    policy: 'os_compute_api:extensions', reply: { status: 200 }, errors: [404],
    handler: (_, __, { params }) => {
      if (!Object.hasOwn(served, params.alias!)) throw notFound(`Extension with name ${params.alias} not found`)
      return { extension: view(params.alias!) }
    },
  }),
]
