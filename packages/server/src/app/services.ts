/** THE list of services; everything that goes over all services reads it. */
import type { ServiceManifest } from '#platform/api-kit/service.ts'
import { keystone } from '#services/keystone/service.ts'
import { hosts } from '#services/hosts/service.ts'
import { quota } from '#services/quota/service.ts'
import { placement } from '#services/placement/service.ts'
import { glance } from '#services/glance/service.ts'
import { cinder } from '#services/cinder/service.ts'
import { neutron } from '#services/neutron/service.ts'
import { workloads } from '#services/workloads/service.ts'
import { metadata } from '#services/metadata/service.ts'
import { nova } from '#services/nova/service.ts'

export const services: ServiceManifest[] = [
  keystone, hosts, quota, placement, glance, neutron, cinder, workloads, nova, metadata,
]
