/** How often a property is tried: 1,000 times, or as QUAYSTONE_PROPERTY_RUNS says. */

export const runsWanted = Number(process.env.QUAYSTONE_PROPERTY_RUNS ?? 1_000)

/** `share` is the part of the runs that a costly property gets. */
export const propertyRuns = (share = 1) => ({ numRuns: Math.max(10, Math.round(runsWanted * share)) })
