/** What Neutron's handlers are given: its managers. */
export type { Managers as NeutronApi } from '../manager/managers.ts'
