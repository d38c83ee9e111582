/** What Cinder's managers are made from: a part of what the service receives. */
import type { ServiceDeps } from '#services/deps.ts'

export type CinderParts = Pick<ServiceDeps, 'db' | 'clock' | 'log' | 'hosts'> & {
  facades: Pick<ServiceDeps['facades'], 'keystone' | 'quota' | 'glance'>
}
