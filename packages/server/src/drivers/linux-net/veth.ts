/** The one way in which this driver makes a pair of devices across two namespaces. Pure text. */
import { distinctIndex, namespacePath } from './names.ts'

export interface VethPlan {
  /** The end in the namespace where the command runs. */
  near: { name: string; mac: string }
  /** The other end: its MAC is the kernel's choice unless given. */
  far: { name: string; mac?: string; namespace: string }
  mtu: number
}

/** A line for `ip -batch`: both ends are born at once, in their namespaces, and down. */
export function vethLine({ near, far, mtu }: VethPlan): string {
  const farMac = far.mac === undefined ? '' : ` address ${far.mac}`
  const nearEnd = `name ${near.name} index ${distinctIndex(near.name + far.name)} address ${near.mac} mtu ${mtu}`
  const farEnd = `name ${far.name}${farMac} mtu ${mtu} netns ${namespacePath(far.namespace)}`
  return `link add ${nearEnd} type veth peer ${farEnd}`
}
