/** A server's metadata in OpenStack's form: JSON documents, of which older versions show less. */
import type { PlugPlan, PortInfo } from '#services/neutron/facade.ts'
import type { ServerRecord } from '#services/nova/facade.ts'
import type { MetadataReply } from '../ports.ts'
import { networkData } from './network-data.ts'
import { absent, json, page, reply } from './pages.ts'

/** Oldest first, as Nova lists them. */
export const openstackVersions = [
  '2012-08-10',
  '2013-04-04',
  '2013-10-17',
  '2015-10-15',
  '2016-06-30',
  '2016-10-06',
  '2017-02-22',
  '2018-08-27',
  '2020-10-14',
] as const
type Version = (typeof openstackVersions)[number]

/** What only some documents show is asked for by them. */
export interface OpenstackInputs {
  server: ServerRecord
  /** With the domain. */
  hostname: string
  ports(): Promise<PortInfo[]>
  plans(): Promise<PlugPlan[]>
  vendorData(): Record<string, unknown>
  /** Base64 of random bytes. */
  seed(): string
}

interface Document {
  since: Version
  /** False: the server has none. Absent: every server has one. */
  isThere?(server: ServerRecord): boolean
  show(inputs: OpenstackInputs, reaches: (version: Version) => boolean): Promise<MetadataReply> | MetadataReply
}

/** In the order in which a version's own page lists them. The password is a document that can be written, too. */
const documents: Record<string, Document> = {
  'meta_data.json': { since: '2012-08-10', show: async (inputs, reaches) => json(await metaData(inputs, reaches)) },
  user_data: {
    since: '2012-08-10',
    isThere: ({ userData }) => userData !== null,
    show: ({ server }) => reply(200, Buffer.from(server.userData ?? '', 'base64')),
  },
  password: { since: '2013-04-04', show: ({ server }) => reply(200, server.password) },
  'vendor_data.json': { since: '2013-10-17', show: ({ vendorData }) => json(vendorData()) },
  'network_data.json': { since: '2015-10-15', show: async ({ plans }) => json(networkData(await plans())) },
  'vendor_data2.json': { since: '2016-10-06', show: ({ vendorData }) => json({ static: vendorData() }) },
}

/** `segments` are what follows `/openstack`. */
export const openstackPage = async (inputs: OpenstackInputs, segments: string[]): Promise<MetadataReply> => {
  const [asked = '', name, ...rest] = segments
  const at = asked === 'latest' ? openstackVersions.length - 1 : openstackVersions.indexOf(asked as Version)
  if (at < 0 || rest.length > 0) return absent()
  const reaches = (version: Version): boolean => at >= openstackVersions.indexOf(version)
  const names = Object.keys(documents).filter((each) => {
    const { since, isThere } = documents[each]!
    return reaches(since) && (isThere?.(inputs.server) ?? true)
  })
  if (name === undefined) return reply(200, page(names))
  return names.includes(name) ? await documents[name]!.show(inputs, reaches) : absent()
}

/** A password may be written where it may be read. */
export const isPassword = (segments: string[]): boolean =>
  segments.length === 3 && segments[0] === 'openstack' && segments[2] === 'password'

const metaData = async (
  { server, ports, hostname, seed }: OpenstackInputs,
  reaches: (version: Version) => boolean,
): Promise<Record<string, unknown>> => ({
  uuid: server.id,
  ...(Object.keys(server.metadata).length > 0 && { meta: server.metadata }),
  ...(server.key && {
    public_keys: { [server.key.name]: server.key.data },
    keys: [{ name: server.key.name, type: 'ssh', data: server.key.data }],
  }),
  hostname,
  name: server.name,
  launch_index: server.launchIndex,
  availability_zone: server.zone,
  ...(reaches('2013-04-04') && { random_seed: seed() }),
  ...(reaches('2015-10-15') && { project_id: server.projectId }),
  ...(reaches('2016-06-30') && { devices: taggedDevices(await ports()) }),
})

const taggedDevices = (ports: PortInfo[]) =>
  ports.flatMap(({ mac, tag }) => (tag ? [{ type: 'nic', bus: 'none', address: 'none', mac, tags: [tag] }] : []))
