/** What every container runtime must do, real or fake: the same tests run on each of them. */
import { after, before, describe } from 'node:test'
import { SuiteBench, type RuntimeUnderTest } from './suite-bench.ts'
import { gateTests } from './suite-gate.ts'
import { imageTests } from './suite-images.ts'
import { lifeTests } from './suite-life.ts'
import { streamTests } from './suite-streams.ts'

/** `open` is called once, before the first test; `close` of what it returns after the last. */
export function runtimeSuite(name: string, open: () => Promise<RuntimeUnderTest>): void {
  describe(name, () => {
    const bench = new SuiteBench()
    before(async () => { await bench.setUp(await open()) })
    after(() => bench.tearDown())
    for (const tests of [lifeTests, gateTests, streamTests, imageTests]) tests(bench)
  })
}
