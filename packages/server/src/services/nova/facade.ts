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

export interface NovaFacade {
  serverFetch(id: string): Promise<ServerInfo | undefined>
  serversFetchMany(ids: string[]): Promise<Map<string, ServerInfo>>
  flavorFetch(id: string): Promise<{
    id: string
    name: string
    vcpus: number
    ramMiB: number
    diskGiB: number
  } | undefined>
  keypairFetch(userId: string, name: string): Promise<{ name: string; publicKey: string } | undefined>
}
