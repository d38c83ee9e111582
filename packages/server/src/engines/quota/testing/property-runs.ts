/** How often a property is tried: 1,000 times, or as QUAYSTONE_PROPERTY_RUNS says. */

const asked = process.env.QUAYSTONE_PROPERTY_RUNS

/** `share` is the part of the runs that a costly property gets by default; when a number is asked for, all get it. */
export const propertyRuns = (share = 1) => ({
  numRuns: asked === undefined ? Math.max(10, Math.round(1_000 * share)) : Number(asked),
})
