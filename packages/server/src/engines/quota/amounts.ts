/** Amounts: whole units up to 2^53−1, a sentinel for "no limit", and exact comparison of ratios. */

/** "No limit". Infinity adds, subtracts from finite numbers and compares exactly, so no decision ever rounds. */
export const UNLIMITED = Number.POSITIVE_INFINITY

export const AMOUNT_MAX = Number.MAX_SAFE_INTEGER

export const isAmount = (value: number): boolean => value === UNLIMITED || (Number.isSafeInteger(value) && value >= 0)

/** OpenStack's −1 ↔ our sentinel. */
export const fromWire = (value: number): number => (value === -1 ? UNLIMITED : value)
export const toWire = (value: number): number => (value === UNLIMITED ? -1 : value)

/** A ceiling on the wire: where nothing else limits, a root's is what can be counted at all. */
export const ceilingToWire = (value: number): number => (value >= AMOUNT_MAX ? -1 : value)

export const positive = (value: number): number => (value > 0 ? value : 0)

/** `total − part`, where no limit minus anything, itself too, leaves what the caller says. */
export const minus = (total: number, part: number, both = 0): number =>
  total === UNLIMITED && part === UNLIMITED ? both : total - part

/**
 * Sign of a·d − c·b, that is of a/b against c/d for positive b and d. Exact: big integers where doubles would round.
 */
export const compareRatios = (a: number, b: number, c: number, d: number): number => {
  const left = a * d,
    right = c * b
  if ((left <= AMOUNT_MAX && right <= AMOUNT_MAX) || a === UNLIMITED || c === UNLIMITED)
    return Math.sign(minus(left, right))
  const exactLeft = BigInt(a) * BigInt(d),
    exactRight = BigInt(c) * BigInt(b)
  return exactLeft < exactRight ? -1 : exactLeft > exactRight ? 1 : 0
}

/** ⌊a·b / c⌋ for non-negative integers and positive c. */
export const mulDivFloor = (a: number, b: number, c: number): number => {
  const product = a * b
  return product <= AMOUNT_MAX ? Math.floor(product / c) : Number((BigInt(a) * BigInt(b)) / BigInt(c))
}

export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
