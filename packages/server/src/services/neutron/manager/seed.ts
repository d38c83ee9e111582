/** What a new cloud finds: quota resources, the networks `public` and `private`. Made once in its life. */
import type { Tx } from '#platform/db/database.ts'
import type { KeystoneFacade, ProjectInfo } from '#services/keystone/facade.ts'
import { seedClaim } from '../store/memberships.ts'
import type { Network } from '../store/tables.ts'
import { networkMake } from './networks.ts'
import type { NeutronParts } from './parts.ts'
import { recordsHeld } from './quotas-held.ts'
import { interfaceMake } from './routing/router-interfaces.ts'
import { gatewaySet, routerMake } from './routing/routers.ts'
import { subnetMake } from './subnets.ts'

/** What is counted, and what a root project may have of it: upstream's numbers. */
const defaults: Record<string, number> = {
  networks: 100,
  subnets: 100,
  ports: 500,
  routers: 10,
  floatingips: 50,
  security_groups: 10,
  security_group_rules: 100,
  subnetpools: -1,
  rbac_policies: 10,
}

export const seed = async (parts: NeutronParts, keystone: KeystoneFacade): Promise<void> => {
  for (const [name, defaultLimit] of Object.entries(defaults))
    await parts.quota().ensureResource({ name, service: 'neutron', defaultLimit })
  for (const owner of recordsHeld(parts)) parts.quota().owns(owner)
  const projects = await keystone.projectsList()
  const named = (name: string): ProjectInfo | undefined =>
    projects.find((project) => project.name === name && !project.isDomain)
  const [admin, demo] = [named('admin'), named('demo')]
  if (!admin || !demo) return
  await parts.db.transaction(async (tx) => {
    if (await seedClaim(tx, 'networks', parts.clock.now()))
      await networksMake(parts, tx, { adminId: admin.id, demoId: demo.id })
  })
}

const networksMake = async (
  parts: NeutronParts,
  tx: Tx,
  { adminId, demoId }: { adminId: string; demoId: string },
): Promise<void> => {
  const { publicCidr, privateCidr } = parts.settings
  const outside = await networkMake(parts, tx, {
    project_id: adminId,
    name: 'public',
    description: 'Leads out of the cloud',
    external: true,
    is_default: true,
    network_type: 'flat',
    physical_network: 'public',
  })
  await subnetMake(parts, tx, outside, {
    project_id: adminId,
    network_id: outside.id,
    name: 'public-subnet',
    ip_version: 4,
    cidr: publicCidr,
    enable_dhcp: false,
  })
  const inside: Network = await networkMake(parts, tx, {
    project_id: demoId,
    name: 'private',
    description: 'The first network of containers',
    shared: true,
  })
  const subnet = await subnetMake(parts, tx, inside, {
    project_id: demoId,
    network_id: inside.id,
    name: 'private-subnet',
    ip_version: 4,
    cidr: privateCidr,
  })
  const router = await gatewaySet(parts, tx, await routerMake(parts, tx, { project_id: demoId, name: 'router1' }), {
    ask: { network_id: outside.id },
    network: outside,
  })
  await interfaceMake(parts, tx, router, subnet)
}
