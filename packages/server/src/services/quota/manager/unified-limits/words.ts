/** What Keystone's unified limits call the resources that are counted here, as oslo.limit's users name them. */

/** Type of service → name of the limit → resource. */
const named: Record<string, Record<string, string>> = {
  compute: {
    servers: 'instances',
    'class:VCPU': 'cores',
    'class:MEMORY_MB': 'ram',
    'class:DISK_GB': 'disk',
    server_metadata_items: 'metadata_items',
    server_injected_files: 'injected_files',
    server_injected_file_content_bytes: 'injected_file_content_bytes',
    server_injected_file_path_bytes: 'injected_file_path_bytes',
    server_key_pairs: 'key_pairs',
    server_groups: 'server_groups',
    server_group_members: 'server_group_members',
  },
  network: {
    network: 'networks',
    subnet: 'subnets',
    subnetpool: 'subnetpools',
    port: 'ports',
    router: 'routers',
    floatingip: 'floatingips',
    security_group: 'security_groups',
    security_group_rule: 'security_group_rules',
    rbac_policy: 'rbac_policies',
  },
}

/** Services declare what they count by their own name or by their type. */
const typeOf: Record<string, string> = { nova: 'compute', neutron: 'network', glance: 'image', cinder: 'block-storage' }

/**
 * The resource that a limit is about; undefined: nothing of that name is counted, so nothing can refuse it. Our own
 * names do as well (`cores`, `networks`), with the service that declared them.
 */
export const resourceOf = (
  limit: { serviceType: string; resourceName: string },
  declared: ReadonlyMap<string, string>,
): string | undefined => {
  const { serviceType, resourceName } = limit
  const name = named[serviceType]?.[resourceName] ?? resourceName
  const service = declared.get(name)
  return service !== undefined && (typeOf[service] ?? service) === serviceType ? name : undefined
}
