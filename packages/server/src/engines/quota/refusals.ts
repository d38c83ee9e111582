/** Why a request is not served: a stable code, the place in the tree, the numbers there, and what would help. */
import { ceilingToWire } from './amounts.ts'
import type { Block, Ledger } from './ledger.ts'
import type { QuotaTree } from './tree.ts'

export type RefusalCode =
  'CEILING' | 'BORROW' | 'SHORTAGE' | 'NO_RIGHT' | 'NOT_REGISTERED' | 'NO_PROJECT' | 'BAD_AMOUNT'

export interface QuotaRefusal {
  code: RefusalCode
  /** Who asked. */
  project: string
  resource: string
  /** The project where it does not fit, the asking one or an ancestor. */
  node: string
  asked: number
  /** At `node`, −1 for no limit: what its whole subtree may use, and what it uses, less `reserved`. */
  limit: number
  used: number
  /** What the project at `node` itself has reserved and not started. */
  reserved: number
  /** What the asking project could still get without anybody giving anything back. */
  available: number
  missing: number
  /** Who below `node` uses more than its own, and how much more. */
  heldBy: { project: string; amount: number }[]
  remedy: string
}

export const emptyRefusal = (
  code: RefusalCode,
  project: string,
  resource: string,
  asked: number,
  remedy: string,
): QuotaRefusal => ({
  code,
  project,
  resource,
  node: project,
  asked,
  limit: 0,
  used: 0,
  reserved: 0,
  available: 0,
  missing: asked,
  heldBy: [],
  remedy,
})

/**
 * A cap that follows from own + borrow is a ceiling to everybody but the root: the root's own is the capacity itself,
 * so running out there is a shortage. At a leaf the bound is how much the project may borrow.
 */
export const codeOf = (tree: QuotaTree, block: Block): RefusalCode => {
  const project = tree.projectAt(block.node)
  const isLeaf = project.leaf === block.node
  if (block.barrier === 'bound') return isLeaf && project.parent ? 'BORROW' : 'SHORTAGE'
  const explicit = project.holdings[block.resource]!.ceiling !== null
  return project.parent || explicit ? 'CEILING' : 'SHORTAGE'
}

export const explainBlock = (
  tree: QuotaTree,
  block: Block,
  leaf: number,
  asked: number,
  code = codeOf(tree, block),
): QuotaRefusal => {
  const { ledger } = tree,
    { node, resource } = block
  const project = tree.projectAt(leaf).id,
    available = ledger.available(leaf, resource)
  const reserved = tree.projectAt(node).reserved[resource]!
  const refusal: QuotaRefusal = {
    code,
    project,
    resource: tree.resources[resource]!,
    node: tree.projectAt(node).id,
    asked,
    limit: ceilingToWire(limitAt(ledger, block)),
    used: ledger.subtree(node, resource) - reserved,
    reserved,
    available,
    missing: asked - available,
    heldBy: holders(tree, node, resource),
    remedy: '',
  }
  return { ...refusal, remedy: remedyFor(refusal) }
}

const limitAt = (ledger: Ledger, { node, resource, barrier }: Block): number =>
  barrier === 'ceiling'
    ? ledger.ceiling(node, resource)
    : Math.min(
        ledger.ceiling(node, resource),
        ledger.bound(node, resource) + ledger.subtree(node, resource) - ledger.counted(node, resource),
      )

const holders = (tree: QuotaTree, node: number, resource: number): QuotaRefusal['heldBy'] =>
  tree.ledger.children[node]!.map((child) => ({
    project: tree.projectAt(child).id,
    amount: tree.ledger.overOwn(child, resource),
  }))
    .filter(({ amount }) => amount > 0)
    .sort((a, b) => b.amount - a.amount || (a.project < b.project ? -1 : 1))

const remedyFor = ({ code, node, resource, missing, available, heldBy }: QuotaRefusal): string => {
  const smaller = available > 0 ? ` Or ask for at most ${available}.` : ''
  if (code === 'CEILING')
    return `Release ${missing} ${resource} in ${node}, or raise its limit by ${missing}.${smaller}`
  if (code === 'BORROW')
    return `Release ${missing} ${resource} in ${node}, or raise what it owns or may borrow.${smaller}`
  if (code === 'NO_RIGHT')
    return `What is missing is used by others who have less beyond their own; wait until they release it.${smaller}`
  const names = heldBy.map((holder) => `${holder.project} (${holder.amount})`).join(', ')
  const whose = names ? `; beyond their own use: ${names}` : ''
  return `${missing} ${resource} must be released in ${node}${whose}.${smaller}`
}

/** `Quota exceeded for cores: asked 4, project dev may use 16 and uses 14 …`, for people. */
export const sentence = (refusal: QuotaRefusal): string => {
  const { code, resource, asked, node, limit, used, reserved, project, remedy } = refusal
  if (code === 'NOT_REGISTERED') return `Resource ${resource} is not registered with quota. ${remedy}`
  const where = node === project ? `project ${project}` : `its ancestor ${node}`
  const whole = limit === -1 ? 'no limit' : limit
  const numbers = `${where} uses ${used} and has reserved ${reserved} of ${whole}`
  return `Quota exceeded for ${resource}: asked ${asked}, ${numbers} (${code}). ${remedy}`
}
