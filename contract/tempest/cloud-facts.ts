/** Asks a cloud, as its administrator, for what tempest must be told: flavors, images, networks, extensions. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

export interface CloudFacts {
  readonly authUrl: string
  readonly region: string
  readonly username: string
  readonly password: string
  readonly project: string
  readonly serviceTypes: readonly string[]
  readonly flavors: readonly { id: string; name: string }[]
  readonly images: readonly { id: string; name: string; status: string }[]
  readonly externalNetworks: readonly { id: string; name: string }[]
  readonly networkExtensions: readonly string[]
}

interface CloudEntry {
  readonly auth: {
    readonly auth_url: string
    readonly username: string
    readonly password: string
    readonly project_name: string
  }
  readonly region_name: string
}

interface CatalogEntry {
  readonly type: string
  readonly endpoints: readonly { readonly interface: string; readonly url: string }[]
}

async function logIn(entry: CloudEntry): Promise<{ token: string; catalog: readonly CatalogEntry[] }> {
  const domain = { name: 'Default' }
  const { username, password, project_name, auth_url } = entry.auth
  const body = {
    auth: {
      identity: { methods: ['password'], password: { user: { name: username, domain, password } } },
      scope: { project: { name: project_name, domain } },
    },
  }
  const headers = { 'content-type': 'application/json' }
  const reply = await fetch(`${auth_url}/v3/auth/tokens`, { method: 'POST', headers, body: JSON.stringify(body) })
  if (reply.status !== 201)
    throw new Error(`Logging in as ${username} was answered with ${reply.status}: ${await reply.text()}`)
  const { token } = (await reply.json()) as { token: { catalog: CatalogEntry[] } }
  return { token: reply.headers.get('x-subject-token')!, catalog: token.catalog }
}

/** Reads `clouds.yaml`, where Quaystone wrote the administrator's password. */
export async function readFacts(cloudsFile: string): Promise<CloudFacts> {
  const { clouds } = parse(readFileSync(cloudsFile, 'utf8')) as { clouds: Record<string, CloudEntry> }
  const entry = clouds['quaystone-admin']!
  const { token, catalog } = await logIn(entry)
  const get = async <T>(type: string, path: string): Promise<T[]> => {
    const url = catalog
      .find((service) => service.type === type)
      ?.endpoints.find((one) => one.interface === 'public')?.url
    if (url === undefined) return []
    const reply = await fetch(`${url.replace(/\/$/, '')}${path}`, { headers: { 'x-auth-token': token } })
    if (reply.status === 404) return [] // the service is there, without this collection
    if (!reply.ok) throw new Error(`${type} answers ${path} with ${reply.status}.`)
    return Object.values((await reply.json()) as Record<string, T[]>).find(Array.isArray) ?? []
  }
  const extensions = await get<{ alias: string }>('network', '/v2.0/extensions')
  return {
    authUrl: `${entry.auth.auth_url}/v3`,
    region: entry.region_name,
    username: entry.auth.username,
    password: entry.auth.password,
    project: entry.auth.project_name,
    serviceTypes: catalog.map((service) => service.type),
    flavors: await get('compute', '/flavors'),
    images: await get('image', '/v2/images'),
    externalNetworks: await get('network', '/v2.0/networks?router:external=true'),
    networkExtensions: extensions.map((extension) => extension.alias).sort(),
  }
}
