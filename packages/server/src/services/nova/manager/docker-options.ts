/** Docker's own settings, which Nova has no fields for, read from `docker:*` metadata and `quaystone:*` extra specs. */
import { badRequest } from '#platform/errors/errors.ts'
import type { WorkloadSpec } from '#services/workloads/facade.ts'
import { shellWords } from './shell-words.ts'

export type DockerSettings = Partial<Pick<WorkloadSpec,
  'command' | 'entrypoint' | 'user' | 'workingDir' | 'tty' | 'stdinOpen' | 'networkMode' | 'publishedPorts' | 'links'
  | 'aliases' | 'restartPolicy' | 'capAdd' | 'capDrop' | 'devices' | 'privileged' | 'readOnly' | 'healthCheck'
  | 'mounts'>> & { pids?: number }

export const metadataPrefix = 'docker:'
export const extraSpecPrefix = 'quaystone:'

const list = (text: string): string[] => text.split(',').map((part) => part.trim()).filter(Boolean)

const wrong = (option: string, value: string, form: string) =>
  badRequest(`Invalid value '${value}' of ${option}: write ${form}`, { field: option })

const truth = (option: string, value: string): boolean => {
  if (/^(true|1|yes|on)$/i.test(value)) return true
  if (/^(false|0|no|off)$/i.test(value)) return false
  throw wrong(option, value, 'true or false')
}

const portOf = (option: string, value: string) => {
  const match = /^(?:(?:(\d+(?:\.\d+){3}):)?(\d{1,5})?:)?(\d{1,5})(?:\/(tcp|udp))?$/.exec(value)
  if (!match || Number(match[3]) > 65_535 || Number(match[2] ?? 0) > 65_535) throw wrong(
    option, value, '[[ADDRESS:]HOST_PORT:]PORT[/udp], comma separated',
  )
  return {
    containerPort: Number(match[3]), protocol: (match[4] ?? 'tcp') as 'tcp' | 'udp',
    ...(match[1] && { hostIp: match[1] }), ...(match[2] && { hostPort: Number(match[2]) }),
  }
}

const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const dnsName = new RegExp(`^${label}(?:\\.${label})*$`, 'i')

/** As Docker's own `--link`: without an alias the server's name is the name. */
const linkOf = (option: string, value: string) => {
  const [workloadId = '', alias = workloadId, ...rest] = value.split(':')
  if (!workloadId || rest.length || !dnsName.test(alias)) throw wrong(
    option, value, 'SERVER[:ALIAS], a name or an id, comma separated',
  )
  return { workloadId, alias }
}

const aliasOf = (option: string, value: string): string => {
  if (!dnsName.test(value)) throw wrong(option, value, 'DNS names, comma separated')
  return value
}

const deviceOf = (option: string, value: string) => {
  const [hostPath = '', containerPath = hostPath, permissions = 'rwm'] = value.split(':')
  if (!hostPath.startsWith('/dev/') || !/^[rwm]{1,3}$/.test(permissions)) throw wrong(
    option, value, '/dev/HOST[:/dev/INSIDE[:rwm]]',
  )
  return { hostPath, containerPath, permissions }
}

const restartOf = (option: string, value: string): WorkloadSpec['restartPolicy'] => {
  const [name, retries] = value.split(':')
  if (!/^(?:no|always|unless-stopped|on-failure(?::\d+)?)$/.test(value)) {
    throw wrong(option, value, 'no, always, unless-stopped, on-failure or on-failure:TIMES')
  }
  return { name: name as 'no', ...(retries && { maximumRetries: Number(retries) }) }
}

const networkOf = (option: string, value: string): WorkloadSpec['networkMode'] => {
  const shared = value.startsWith('container:') && value.length > 'container:'.length
  if (shared || /^(tenant|bridge|host|none)$/.test(value)) return value as 'host'
  throw wrong(option, value, 'tenant, bridge, host, none or container:SERVER')
}

const pidsOf = (option: string, value: string): number => {
  if (!/^[1-9]\d{0,6}$/.test(value)) throw wrong(option, value, 'a number of processes')
  return Number(value)
}

type Reader = (option: string, value: string) => DockerSettings

const readers: Record<string, Reader> = {
  command: (_, value) => ({ command: shellWords(value) }),
  entrypoint: (_, value) => ({ entrypoint: shellWords(value) }),
  user: (_, value) => ({ user: value }),
  workdir: (_, value) => ({ workingDir: value }),
  tty: (option, value) => ({ tty: truth(option, value), stdinOpen: truth(option, value) }),
  network_mode: (option, value) => ({ networkMode: networkOf(option, value) }),
  publish: (option, value) => ({ publishedPorts: list(value).map((one) => portOf(option, one)) }),
  aliases: (option, value) => ({ aliases: list(value).map((one) => aliasOf(option, one)) }),
  links: (option, value) => ({ links: list(value).map((one) => linkOf(option, one)) }),
  restart: (option, value) => ({ restartPolicy: restartOf(option, value) }),
  cap_add: (_, value) => ({ capAdd: list(value).map((one) => one.toUpperCase()) }),
  cap_drop: (_, value) => ({ capDrop: list(value).map((one) => one.toUpperCase()) }),
  devices: (option, value) => ({ devices: list(value).map((one) => deviceOf(option, one)) }),
  privileged: (option, value) => ({ privileged: truth(option, value) }),
  read_only: (option, value) => ({ readOnly: truth(option, value) }),
  healthcheck: (_, value) => ({ healthCheck: { test: ['CMD-SHELL', value] } }),
  tmpfs: (_, value) => ({ mounts: list(value).map((target) => ({ type: 'tmpfs' as const, target })) }),
  pids: (option, value) => ({ pids: pidsOf(option, value) }),
}

/** Reads every option under `prefix`; an unknown one is refused with the list of known ones. */
export const dockerSettings = (source: Record<string, string>, prefix: string): DockerSettings => {
  const settings: DockerSettings = {}
  for (const [key, value] of Object.entries(source)) {
    if (!key.startsWith(prefix)) continue
    const read = readers[key.slice(prefix.length)]
    if (!read) throw badRequest(
      `Unknown option ${key}: known are ${Object.keys(readers).map((name) => prefix + name).join(', ')}`,
      { field: key },
    )
    Object.assign(settings, read(key, value))
  }
  return settings
}

/** What only an operator may grant: it reaches beyond the container. Names the options. */
export const privilegedOptions = (settings: DockerSettings): string[] => [
  ...(settings.privileged ? ['privileged'] : []),
  ...(settings.networkMode === 'host' ? ['network_mode=host'] : []),
  ...(settings.capAdd?.length ? ['cap_add'] : []),
  ...(settings.devices?.length ? ['devices'] : []),
]

const sharedWith = (networkMode: string | undefined): string | undefined =>
  networkMode?.startsWith('container:') ? networkMode.slice('container:'.length) : undefined

/** Servers that the settings refer to, by name or id: each must be one of the caller's own. */
export const referredServers = ({ links, networkMode }: DockerSettings): string[] => [
  ...(links ?? []).map((link) => link.workloadId), ...[sharedWith(networkMode)].filter((one) => one !== undefined),
]

/** The same with ids in place of what they were referred to by. */
export const withIds = (settings: DockerSettings, ids: ReadonlyMap<string, string>): DockerSettings => {
  const { links, networkMode } = settings
  const shared = sharedWith(networkMode)
  return {
    ...settings,
    ...(links && {
      links: links.map(({ workloadId, alias }) => ({ workloadId: ids.get(workloadId) ?? workloadId, alias })),
    }),
    ...(shared !== undefined && { networkMode: `container:${ids.get(shared) ?? shared}` as const }),
  }
}

/** What a server will be like: the operator's choice for the flavor, and over it the user's. */
export const settingsOfServer = (
  { flavor, metadata }: { flavor: { extraSpecs: Record<string, string> }; metadata: Record<string, string> },
): DockerSettings =>
  ({ ...dockerSettings(flavor.extraSpecs, extraSpecPrefix), ...dockerSettings(metadata, metadataPrefix) })
