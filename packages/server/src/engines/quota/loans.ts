/** Who lends what to whom now: one matching of all use beyond own with the idle capacity that carries it. */
import { minus, positive, UNLIMITED } from './amounts.ts'
import type { QuotaTree } from './tree.ts'

export interface Loan {
  resource: string
  /** Whose idle own part, or whose pool when `fromPool`. */
  lender: string
  fromPool: boolean
  borrower: string
  amount: number
}

interface Part {
  project: string
  amount: number
  fromPool: boolean
}

/**
 * The engine keeps balances, not contracts: as long as the balances hold a matching exists. This is the one that takes
 * the nearest pool first, then siblings by id, then what is further up. Deterministic for one state.
 */
export const loansOf = (tree: QuotaTree, resource: number): Loan[] => {
  const matching = new Matching(tree, resource)
  for (const root of tree.roots) matching.settle(root.node)
  return matching.loans
}

class Matching {
  readonly loans: Loan[] = []
  readonly #tree: QuotaTree
  readonly #resource: number

  constructor(tree: QuotaTree, resource: number) {
    this.#tree = tree
    this.#resource = resource
  }

  /** Matches inside the subtree; gives what it still needs from above, and what it can lend upwards. */
  settle(node: number): { needs: Part[]; offers: Part[] } {
    const children = [...this.#tree.ledger.children[node]!].sort((a, b) =>
      this.#tree.nodeName(a) < this.#tree.nodeName(b) ? -1 : 1,
    )
    if (children.length === 0) return this.#settleLeaf(node)
    const below = children.map((child) => this.settle(child))
    const needs = below.flatMap((part) => part.needs),
      offers = below.flatMap((part) => part.offers)
    const pool = [
      {
        project: this.#tree.projectAt(node).id,
        amount: this.#tree.ledger.base(node, this.#resource),
        fromPool: true,
      },
    ]
    this.#match(needs, pool)
    this.#match(needs, offers)
    return { needs: needs.filter(isOpen), offers: this.#lendable(node, [...offers, ...pool].filter(isOpen)) }
  }

  #settleLeaf(node: number): { needs: Part[]; offers: Part[] } {
    const { ledger } = this.#tree,
      project = this.#tree.projectAt(node).id
    const idle = positive(minus(ledger.visible(node, this.#resource), ledger.counted(node, this.#resource), Infinity))
    const over = ledger.overOwn(node, this.#resource)
    const part = (amount: number): Part => ({ project, amount, fromPool: false })
    return { needs: [part(over)].filter(isOpen), offers: this.#lendable(node, [part(idle)]) }
  }

  /** At most what the node may lend of what is idle below it. */
  #lendable(node: number, offers: Part[]): Part[] {
    let left = this.#tree.ledger.lendable(node, this.#resource)
    return offers
      .map((offer) => {
        const amount = Math.min(offer.amount, left)
        left = minus(left, amount, left)
        return { ...offer, amount }
      })
      .filter(isOpen)
  }

  /** What has no limit is lent by nobody: nobody has less of it. */
  #match(needs: Part[], offers: Part[]): void {
    const isEndless = offers.some(({ amount }) => amount === UNLIMITED)
    for (const need of needs) {
      if (isEndless) need.amount = 0
      for (const offer of offers) {
        const amount = Math.min(need.amount, offer.amount)
        if (amount === 0) continue
        need.amount -= amount
        offer.amount -= amount
        this.#note({
          resource: this.#tree.resources[this.#resource]!,
          lender: offer.project,
          fromPool: offer.fromPool,
          borrower: need.project,
          amount,
        })
      }
    }
  }

  #note(loan: Loan): void {
    const same = this.loans.find(
      (other) => other.lender === loan.lender && other.borrower === loan.borrower && other.fromPool === loan.fromPool,
    )
    if (same) same.amount += loan.amount
    else this.loans.push(loan)
  }
}

const isOpen = ({ amount }: Part): boolean => amount > 0
