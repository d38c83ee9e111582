/** What the metadata service's managers are made from. */
import type { NeutronFacade } from '#services/neutron/facade.ts'
import type { NovaFacade } from '#services/nova/facade.ts'

export interface MetadataParts {
  nova: Pick<NovaFacade, 'serverRecordFetch' | 'passwordSet'>
  neutron: Pick<NeutronFacade, 'portAt' | 'plugPlans' | 'portsOf'>
  /** What the operator tells every server; read for each request. */
  vendorData(): Record<string, unknown>
  /** Base64 of fresh random bytes. */
  seed(): string
}
