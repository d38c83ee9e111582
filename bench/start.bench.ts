/** Second start until all APIs serve, and the memory that an idle cloud holds. */
import { figure, type Bench } from './bench.ts'
import { startCloud } from './support/cloud-process.ts'
import { bootPlan } from './support/servers.ts'
import { median } from './support/statistics.ts'

const rounds = 5

export const bench: Bench = {
  name: 'start',
  about: 'from ./quaystone up to serving, on a data directory that exists, and resident memory when idle',
  run: async () => {
    const first = await startCloud()
    await bootPlan(first)
    await first.stop()
    const tookMs: number[] = []
    const residentMiB: number[] = []
    try {
      for (let round = 0; round < rounds; round++) {
        const cloud = await startCloud(first.dataDir)
        tookMs.push(cloud.startedMs)
        residentMiB.push(cloud.residentMiB())
        await cloud.stop()
      }
      return [
        figure({
          bench: 'start', metric: 'second start to serving, median', unit: 'ms',
          value: median(tookMs),
          goal: { of: 'value', is: 'at most', limit: 1000 },
        }),
        figure({
          bench: 'start', metric: 'resident memory, idle', unit: 'MiB',
          value: median(residentMiB),
          goal: { of: 'value', is: 'at most', limit: 200 },
        }),
      ]
    } finally {
      first.remove()
    }
  },
}
