/** What this machine holds of any cloud, by owner: networks, rules, containers and volumes, and whose they are. */
import type { Clock } from '#platform/clock/clock.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import { EngineClient } from '#drivers/docker/engine-client.ts'
import { openMachine, type Marked } from '#drivers/linux-net/machine.ts'
import { markedVolumes, removeVolumes, type MarkedVolume } from '#drivers/volumes/marked.ts'
import { labels } from '#services/workloads/ports.ts'
import { forgetCloud, knownClouds, lifeOf, notesDir, tagOf, type KnownCloud, type Life } from './known-clouds.ts'

export interface Thing {
  kind: Marked['kind'] | MarkedVolume['kind'] | 'container'
  /** A container's is its id. */
  name: string
}

/** All of one owner. `unknown`: no cloud that ever started here has this mark. */
export interface Holding {
  tag: string
  cloud?: KnownCloud
  life: Life | 'unknown'
  things: Thing[]
}

export interface MachineHoldings {
  list(): Promise<Holding[]>
  /** Removes all that the owner has here. Idempotent. */
  reap(holding: Holding): Promise<void>
  /** Forgets dead clouds that have nothing here any more. */
  forgetEmpty(): Promise<void>
  close(): Promise<void>
}

export interface MachineOptions {
  clock: Clock
  /** The engine's socket; undefined: containers are not looked at. */
  socketPath?: string
  /** Where the notes about clouds are. */
  notes?: string
  hostNamespace?: string
}

export function machineHoldings({
  clock,
  socketPath,
  notes = notesDir,
  hostNamespace,
}: MachineOptions): MachineHoldings {
  const machine = openMachine(clock, hostNamespace)
  const engine = socketPath === undefined ? undefined : new EngineClient({ socketPath })
  const list = async (): Promise<Holding[]> => {
    const known = knownClouds(notes)
    const containers = engine ? await containersOf(engine, known) : []
    const marked = [...(await machine.marked()), ...containers, ...markedVolumes()]
    return [...Map.groupBy(marked, ({ tag }) => tag)].map(([tag, things]) => holdingOf(tag, known.get(tag), things))
  }
  return {
    list,
    forgetEmpty: async () => {
      const holders = new Set((await list()).map(({ tag }) => tag))
      for (const [tag, cloud] of knownClouds(notes))
        if (!holders.has(tag) && lifeOf(cloud) === 'dead') forgetCloud(tag, notes)
    },
    reap: async ({ tag, things }) => {
      for (const { kind, name } of things) if (kind === 'container') await removeContainer(engine, name)
      await removeVolumes(things.map((thing) => ({ ...thing, tag })).filter(isVolumes), clock)
      await machine.remove(things.map((thing) => ({ ...thing, tag })).filter(isNetworks))
      forgetCloud(tag, notes)
    },
    close: async () => engine?.close(),
  }
}

type Owned = Thing & { tag: string }
const isVolumes = (thing: Owned): thing is Owned & MarkedVolume => thing.kind === 'mount' || thing.kind === 'loop'
const isNetworks = (thing: Owned): thing is Owned & Marked => !isVolumes(thing) && thing.kind !== 'container'

const holdingOf = (tag: string, cloud: KnownCloud | undefined, things: Thing[]): Holding => ({
  tag,
  ...(cloud && { cloud }),
  life: cloud ? lifeOf(cloud) : 'unknown',
  things: things.map(({ kind, name }) => ({ kind, name })),
})

/** A container's label names the cloud, not the host: the note about the cloud knows both. */
async function containersOf(
  engine: EngineClient,
  known: Map<string, KnownCloud>,
): Promise<(Thing & { tag: string })[]> {
  const query = { all: 1, filters: JSON.stringify({ label: [labels.cloud] }) }
  const found = await engine.json<{ Id: string; Labels: Record<string, string> }[]>('GET', '/containers/json', {
    query,
  })
  const tags = new Map([...known].map(([tag, { cloudId }]) => [cloudId, tag]))
  return found.map(({ Id, Labels }) => {
    const cloudId = Labels[labels.cloud] ?? ''
    return { kind: 'container', name: Id, tag: tags.get(cloudId) ?? tagOf({ cloudId }) }
  })
}

async function removeContainer(engine: EngineClient | undefined, id: string): Promise<void> {
  const query = { force: 1, v: 1 }
  await engine?.json('DELETE', `/containers/${id}`, { query }).catch((error: unknown) => {
    if (!isRefusal(error) || error.kind !== 'notFound') throw error
  })
}
