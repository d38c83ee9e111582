/** What Nova's managers are made from: a part of what the service receives. */
import type { ServiceDeps } from '../../deps.ts'

export type NovaParts = Pick<ServiceDeps, 'db' | 'clock' | 'log' | 'region'> & {
  facades: Pick<ServiceDeps['facades'], 'keystone' | 'quota' | 'glance' | 'neutron' | 'cinder' | 'workloads'>
}
