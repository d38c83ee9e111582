/** The tables of hosts. Secrets are kept as SHA-256 only: they are random, so nothing slower is needed. */

export interface HostTokenRow {
  id: string
  hash: string
  /** The only host that may use it; any when null. */
  host_name: string | null
  created_at: number
  expires_at: number | null
  revoked_at: number | null
}

export interface HostMemberRow {
  name: string
  key_hash: string
  address: string
  version: string
  token_id: string
  joined_at: number
  seen_at: number
}

export interface HostTables {
  host_token: HostTokenRow
  host_member: HostMemberRow
}
