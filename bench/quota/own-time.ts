/** The process’s own time: what else the machine does plays no part in it; collecting garbage does. */

export const stopwatch = (): (() => number) => {
  const start = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1e6
  }
}

/** How long `work` took, in ms of own time. */
export const ownMs = (work: () => void): number => {
  const seconds = stopwatch()
  work()
  return seconds() * 1000
}
