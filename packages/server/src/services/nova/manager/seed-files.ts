/** The files a server is born with: keys, user data and metadata where cloud-init looks, and personality files. */
import type { WorkloadSpec } from '#services/workloads/facade.ts'
import type { Personality, Server } from './model.ts'

type SeedFile = WorkloadSpec['files'][number]

const encoded = (text: string): string => Buffer.from(text, 'utf8').toString('base64')
const seedRoot = '/var/lib/cloud/seed/config_drive'
const driveRoot = '/config-drive'

/** `meta_data.json` as cloud-init's OpenStack sources read it. */
const metaData = (server: Server): string => JSON.stringify({
  uuid: server.id,
  name: server.name,
  hostname: server.hostname,
  availability_zone: server.pinnedZone ?? 'nova',
  launch_index: server.launchIndex,
  project_id: server.projectId,
  meta: server.metadata,
  ...(server.keyName && server.keyData && {
    public_keys: { [server.keyName]: server.keyData },
    keys: [{ name: server.keyName, type: 'ssh', data: server.keyData }],
  }),
  devices: [],
})

const seedTree = (root: string, server: Server): SeedFile[] => {
  const at = (name: string, content: string): SeedFile =>
    ({ path: `${root}/openstack/latest/${name}`, mode: 0o600, content })
  return [
    at('meta_data.json', encoded(metaData(server))),
    at('network_data.json', encoded(JSON.stringify({ links: [], networks: [], services: [] }))),
    ...(server.userData ? [at('user_data', server.userData)] : []),
  ]
}

/** To put files into a container costs its engine a process: a server that was told nothing finds nothing. */
const isTold = ({ userData, keyData, configDrive, metadata }: Server): boolean =>
  configDrive || userData !== null || keyData !== null || Object.keys(metadata).length > 0

export const seedFiles = (server: Server, personality: Personality[]): SeedFile[] => [
  ...(isTold(server) ? seedTree(seedRoot, server) : []),
  ...(server.configDrive ? seedTree(driveRoot, server) : []),
  ...(
    server.keyData
      ? [{ path: '/root/.ssh/authorized_keys', mode: 0o600, content: encoded(`${server.keyData.trim()}\n`) }]
      : []
  ),
  ...personality.map(
    ({ path, contents }) => ({ path: path.startsWith('/') ? path : `/${path}`, mode: 0o644, content: contents }),
  ),
]
