/** One server at a time, POST to ACTIVE, beside the same container by the plain Docker API, in turns. */
import { figure, type Bench } from './bench.ts'
import { startCloud } from './support/cloud-process.ts'
import { plainDocker } from './support/plain-docker.ts'
import { bootPlan, serverCreate, serversDelete, untilActive } from './support/servers.ts'
import { median } from './support/statistics.ts'

const rounds = 25

export const bench: Bench = {
  name: 'server-create',
  about: 'server create → ACTIVE, one at a time, against create + start on a bridge network by the plain Docker API',
  run: async ({ say }) => {
    const cloud = await startCloud()
    const docker = await plainDocker()
    try {
      const plan = await bootPlan(cloud)
      const image = `quaystone/${plan.imageId}:latest`
      const ours: number[] = []
      const plain: number[] = []
      for (let round = -2; round < rounds; round++) {
        const started = performance.now()
        const id = await serverCreate(cloud, plan, `bench-${round}`)
        await untilActive(cloud, id)
        const tookMs = performance.now() - started
        if (round >= 0) ours.push(tookMs)
        await serversDelete(cloud, [id])
        const plainStarted = performance.now()
        const containerId = await docker.run(image)
        if (round >= 0) plain.push(performance.now() - plainStarted)
        await docker.remove(containerId)
      }
      say(`${rounds} rounds in turns`)
      return [
        figure({
          bench: 'server-create', metric: 'POST to ACTIVE, median', unit: 'ms',
          value: median(ours), baseline: median(plain),
          goal: { of: 'ratio', is: 'at most', limit: 1.25 },
        }),
      ]
    } finally {
      await docker.close()
      await cloud.stop()
      cloud.remove()
    }
  },
}
