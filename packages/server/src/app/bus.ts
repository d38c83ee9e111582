/** Chooses the bus: in process, or NATS when the configuration names one. */
import type { Bus } from '#platform/bus/bus.ts'
import { createMemoryBus } from '#platform/bus/memory-bus.ts'
import { createNatsBus } from '#platform/bus/nats-bus.ts'
import type { Config } from './config.ts'

export const createBoundBus = async (config: Config): Promise<Bus> =>
  config.nats ? createNatsBus({ url: config.nats }) : createMemoryBus()
