/** What services above may ask of Nova: reads, as plain data. Orders go through the door with the user's token. */

export interface ServerInfo {
  id: string
  projectId: string
  name: string
  /** As the API shows it: `BUILD`, `ACTIVE`, `ERROR`, … */
  status: string
  addresses: { network: string; ip: string; version: 4 | 6; floating: boolean }[]
  fault: { code: number; message: string } | null
}

/** What a server's metadata service tells it. `userData` is base64; `zone` is never empty. */
export interface ServerRecord {
  id: string
  projectId: string
  name: string
  hostname: string
  imageId: string | null
  flavorName: string
  zone: string
  launchIndex: number
  reservationId: string
  metadata: Record<string, string>
  userData: string | null
  /** The key pair's name and its public key, when it is one of SSH. */
  key: { name: string; data: string } | null
  /** Names. */
  securityGroups: string[]
  /** What the server posted for its owner; empty when it did not. */
  password: string
}

export interface NovaFacade {
  serverFetch(id: string): Promise<ServerInfo | undefined>
  serversFetchMany(ids: string[]): Promise<Map<string, ServerInfo>>
  /** Undefined also for a deleted server. */
  serverRecordFetch(id: string): Promise<ServerRecord | undefined>
  /** Keeps what the server encrypted for its owner. False: there is one already, which its owner has to clear first. */
  passwordSet(id: string, password: string): Promise<boolean>
  flavorFetch(id: string): Promise<{
    id: string
    name: string
    vcpus: number
    ramMiB: number
    diskGiB: number
  } | undefined>
  keypairFetch(userId: string, name: string): Promise<{ name: string; publicKey: string } | undefined>
}
