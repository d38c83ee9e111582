/** For tests: agents in this process, on fake machines, over the bus of a test's cloud. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bus } from '#platform/bus/bus.ts'
import { systemClock } from '#platform/clock/clock.ts'
import { silentLog } from '#platform/log/log.ts'
import { createFakeHostNetwork, type FakeHostNetwork } from '#drivers/fakes/host-network.ts'
import { createFakeRuntime } from '#drivers/fakes/container-runtime.ts'
import { Agent } from './agent.ts'
import { AgentFiles } from './agent-files.ts'

/** A pretended machine: what runs on it outlives its agents. */
export class FakeMachine {
  readonly name: string
  readonly address: string
  readonly dataDir = mkdtempSync(join(tmpdir(), 'quaystone-agent-'))
  readonly runtime = createFakeRuntime({ clock: systemClock })
  readonly network: FakeHostNetwork = createFakeHostNetwork()

  constructor(name: string, address: string) {
    this.name = name
    this.address = address
  }

  /** An agent on this machine; it is the caller's to start and stop. */
  agent(bus: Bus, token: string): Agent {
    return new Agent({
      connect: async () => bus,
      token,
      name: this.name,
      address: this.address,
      version: 'test',
      files: new AgentFiles(this.dataDir),
      machine: { runtimeOf: () => this.runtime, networkOf: () => this.network },
      clock: systemClock,
      log: silentLog,
    })
  }
}
