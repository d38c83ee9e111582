/** A server as a container: flavor to resources, image and metadata to the command and its settings. Pure. */
import type { ImageInfo } from '#services/glance/facade.ts'
import type { WorkloadScheduling, WorkloadSpec } from '#services/workloads/facade.ts'
import { settingsOfServer, withIds } from './docker-options.ts'
import type { DockerSettings } from './docker-options.ts'
import type { Flavor, Personality, Server, ServerGroup } from './model.ts'
import { seedFiles } from './seed-files.ts'
import { shellWords } from './shell-words.ts'

const environmentName = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Metadata becomes the environment, as the Nova Docker driver had it. Keys that cannot be variables are left out. */
const environmentOf = (metadata: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(metadata).filter(([key]) => environmentName.test(key)))

/** Placement amounts that the flavor's `resources:CLASS` extra specs set otherwise than its fields. */
const claimOf = ({ extraSpecs }: Flavor): Record<string, number> => Object.fromEntries(
  Object.entries(extraSpecs)
    .filter(([key, value]) => key.startsWith('resources:') && /^\d+$/.test(value))
    .map(([key, value]) => [key.slice('resources:'.length), Number(value)]),
)

const traitsOf = ({ extraSpecs }: Flavor, wanted: 'required' | 'forbidden'): string[] =>
  Object.entries(extraSpecs).filter(([key, value]) => key.startsWith('trait:') && value === wanted).map(
    ([key]) => key.slice('trait:'.length),
  )

/** What binds an image to a kind of host. */
const propertiesOf = ({ properties }: ImageInfo): Record<string, string> =>
  Object.fromEntries(
    ['hw_architecture', 'architecture'].flatMap((key) => (properties[key] ? [[key, properties[key]]] : [])),
  )

export interface SpecInputs {
  server: Server
  image: ImageInfo
  forcedHost?: string
  group?: ServerGroup
  personality?: Personality[]
  networked: boolean
  /** Ids of the servers that settings refer to by name. */
  referred: ReadonlyMap<string, string>
}

const settingsOf = ({ server, image, referred }: SpecInputs): DockerSettings => {
  const line = image.properties.os_command_line
  return {
    ...(line ? { command: shellWords(line) } : {}),
    ...withIds(settingsOfServer(server), referred),
  }
}

const groupOf = (group: ServerGroup | undefined): Pick<WorkloadScheduling, 'group'> => group
  ? {
    group: {
      id: group.id, policy: group.policy,
      ...(group.rules.max_server_per_host && { maxPerHost: group.rules.max_server_per_host }),
    },
  }
  : {}

const schedulingOf = ({ server, image, forcedHost, group }: SpecInputs): WorkloadScheduling => ({
  ...(server.pinnedZone && { availabilityZone: server.pinnedZone }),
  ...(forcedHost && { host: forcedHost }),
  hints: server.hints,
  ...groupOf(group),
  requiredTraits: traitsOf(server.flavor, 'required'),
  forbiddenTraits: traitsOf(server.flavor, 'forbidden'),
  properties: propertiesOf(image),
})

export const resourcesOf = (flavor: Flavor, pids?: number): WorkloadSpec['resources'] => ({
  vcpus: flavor.vcpus, ramMiB: flavor.ramMiB, diskGiB: flavor.diskGiB + flavor.ephemeralGiB, ...(pids && { pids }),
})

export const workloadSpec = (inputs: SpecInputs): WorkloadSpec => {
  const { server, image, personality = [], networked } = inputs
  const { pids, mounts = [], networkMode = 'tenant', ...settings } = settingsOf(inputs)
  return {
    version: 1,
    imageId: image.id,
    hostname: server.hostname,
    env: environmentOf(server.metadata),
    // A server has a console, so its command has a terminal: a shell stays, as it would on a machine.
    tty: true,
    stdinOpen: true,
    resources: resourcesOf(server.flavor, pids),
    claim: claimOf(server.flavor),
    mounts,
    files: seedFiles(server, personality),
    networkMode: networkMode === 'tenant' && !networked ? 'none' : networkMode,
    restartPolicy: { name: 'no' },
    scheduling: schedulingOf(inputs),
    labels: { 'org.quaystone.nova.server': server.id, 'org.quaystone.nova.name': server.name },
    ...settings,
  }
}
