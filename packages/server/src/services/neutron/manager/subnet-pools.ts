/** Subnet pools: prefixes that subnets are cut from, so that nobody has to agree on addresses. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { bitsOf } from '#engines/cidr/address.ts'
import {
  canonicalCidr,
  containsPrefix,
  formatPrefix,
  overlaps,
  parsePrefix,
  prefixOf,
  sizeOf,
  type Prefix,
} from '#engines/cidr/prefix.ts'
import { badRequest, conflict } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { ownOrOpened, type Viewer } from '../store/access.ts'
import { addressScopeKind, subnetKind, subnetPoolKind } from '../store/kinds.ts'
import { equals, fetch, insert, list, remove, update, type Condition } from '../store/records.ts'
import type { Subnet, SubnetPool } from '../store/tables.ts'
import { Collection, viewerOf } from './collection.ts'
import { born, charge, refund, type NeutronParts } from './parts.ts'
import { invalid, invalidAttribute, missing } from './refusals.ts'

/** Own, opened by RBAC, or shared with everybody by a flag of the record. */
export const ownOpenedOrFlagged =
  (objectType: string) =>
  (viewer: Viewer): Condition | undefined => {
    const opened = ownOrOpened(viewer, objectType)
    return opened && ((where) => where.or([opened(where), where('shared', '=', 1)]))
  }

export type SubnetPoolInput = Partial<SubnetPool> & { project_id: string; prefixes: string[] }

export class SubnetPools {
  readonly collection: Collection<SubnetPool>
  readonly #parts: NeutronParts
  constructor(parts: NeutronParts) {
    this.#parts = parts
    this.collection = new Collection(parts, subnetPoolKind, ownOpenedOrFlagged('subnetpool'))
  }

  create(_ctx: RequestContext, inputs: SubnetPoolInput[]): Promise<SubnetPool[]> {
    return this.#parts.db.transaction(async (tx) => {
      const made: SubnetPool[] = []
      for (const input of inputs) made.push(await this.#create(tx, input))
      return made
    })
  }

  async #create(tx: Tx, input: SubnetPoolInput): Promise<SubnetPool> {
    const prefixes = prefixesRead(input.prefixes)
    const { version } = prefixes[0]!
    const min = input.min_prefixlen ?? (version === 4 ? 8 : 64)
    const pool: SubnetPool = {
      ...born(this.#parts, uuid(), input.project_id),
      name: '',
      address_scope_id: null,
      is_default: false,
      default_quota: null,
      shared: false,
      ...input,
      ip_version: version,
      prefixes: merged(prefixes),
      min_prefixlen: min,
      max_prefixlen: input.max_prefixlen ?? bitsOf(version),
      default_prefixlen: input.default_prefixlen ?? min,
    }
    await this.#assert(tx, pool)
    await charge(this.#parts, tx, 'subnetpools', pool)
    return insert(tx, subnetPoolKind, pool)
  }

  async #assert(tx: Tx, pool: SubnetPool): Promise<void> {
    assertLengths(pool)
    if (pool.is_default) await assertOnlyDefault(tx, pool)
    if (pool.address_scope_id === null) return
    const scope = await fetch(tx, addressScopeKind, pool.address_scope_id)
    if (!scope) throw missing(addressScopeKind, pool.address_scope_id)
    if (scope.ip_version !== pool.ip_version) {
      throw badRequest(
        `Illegal subnetpool association: subnetpool ${pool.id} cannot associate with address scope ${scope.id} ` +
          `because subnetpool ip_version is not ${scope.ip_version}.`,
        { type: 'IllegalSubnetPoolIpVersionAssociationToAddressScope' },
      )
    }
    await assertApart(tx, pool)
  }

  update(ctx: RequestContext, id: string, changes: Partial<SubnetPool>, ifMatch?: number): Promise<SubnetPool> {
    return this.#parts.db.transaction(async (tx) => {
      const pool = await this.collection.owned(tx, ctx, id, 'update_subnetpool', ifMatch)
      const after = { ...pool, ...changes, ...(changes.prefixes && { prefixes: grown(pool, changes.prefixes) }) }
      await this.#assert(tx, after)
      return update(tx, subnetPoolKind, pool, after, this.#parts.clock.now())
    })
  }

  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const pool = await this.collection.owned(tx, ctx, id, 'delete_subnetpool', ifMatch)
      if ((await cutFrom(tx, id)).length > 0)
        throw badRequest('Unable to delete subnet pool: Subnet pool has existing allocations.', {
          type: 'SubnetPoolDeleteError',
        })
      await remove(tx, subnetPoolKind, id)
      await refund(this.#parts, tx, 'subnetpools', pool)
    })
  }

  /** The CIDR of a new subnet: the one asked for if the pool has it free, else the first free one of the length. */
  async cut(
    tx: Tx,
    ctx: RequestContext,
    ask: { poolId: string; projectId: string; cidr?: string; prefixlen?: number; version?: number },
  ): Promise<string> {
    const pool = await this.collection.fetch(viewerOf(ctx), ask.poolId, tx)
    if (ask.version !== undefined && ask.version !== pool.ip_version)
      throw badRequest(`Cannot allocate IPv${ask.version} subnet from IPv${pool.ip_version} subnet pool.`, {
        type: 'BadRequest',
      })
    const taken = await cutFrom(tx, pool.id)
    const prefix = chosen(
      pool,
      taken.map(({ cidr }) => parsePrefix(cidr)!),
      ask,
    )
    assertQuota(pool, [
      ...taken.filter(({ project_id }) => project_id === ask.projectId).map(({ cidr }) => parsePrefix(cidr)!),
      prefix,
    ])
    return formatPrefix(prefix)
  }

  async defaultFind(tx: Tx, version: number): Promise<SubnetPool> {
    const [pool] = await list(tx, subnetPoolKind, {
      conditions: [equals('is_default', 1), equals('ip_version', version)],
      limit: 1,
    })
    if (pool) return pool
    throw badRequest(`Bad subnets request: No default subnetpool found for IPv${version}.`, { type: 'BadRequest' })
  }
}

const cutFrom = (tx: Tx, poolId: string): Promise<Subnet[]> =>
  list(tx, subnetKind, { conditions: [equals('subnetpool_id', poolId)] })

const prefixesRead = (texts: string[]): Prefix[] => {
  const prefixes = texts.map((text) => parsePrefix(canonicalCidr(text) ?? '') ?? refusePrefix(text))
  if (prefixes.length === 0) throw badRequest('Empty subnet pool prefix list.', { type: 'EmptySubnetPoolPrefixList' })
  if (prefixes.some(({ version }) => version !== prefixes[0]!.version))
    throw badRequest('Cannot mix IPv4 and IPv6 prefixes in a subnet pool.', { type: 'PrefixVersionMismatch' })
  return prefixes
}
const refusePrefix = (text: string): never => {
  throw invalidAttribute('prefixes', `'${text}' is not a valid IP subnet`)
}

/** Without prefixes that others hold whole. */
const merged = (prefixes: Prefix[]): string[] =>
  [
    ...new Set(
      prefixes
        .filter((prefix) => !prefixes.some((other) => other.length < prefix.length && containsPrefix(other, prefix)))
        .map(formatPrefix),
    ),
  ].sort()

const grown = (pool: SubnetPool, texts: string[]): string[] => {
  const prefixes = prefixesRead(texts)
  const lost = pool.prefixes.find((text) => !prefixes.some((prefix) => containsPrefix(prefix, parsePrefix(text)!)))
  if (lost !== undefined)
    throw badRequest(
      `Illegal subnetpool update : Existing prefixes must be a subset of the new prefixes, ${lost} is not.`,
      { type: 'IllegalSubnetPoolPrefixUpdate' },
    )
  return merged(prefixes)
}

const assertLengths = ({
  ip_version: version,
  min_prefixlen: min,
  max_prefixlen: max,
  default_prefixlen: usual,
}: SubnetPool): void => {
  const refuse = (attribute: string, base: string) =>
    badRequest(`Illegal prefix bounds: ${attribute}, conflicting with ${base}.`, {
      type: 'IllegalSubnetPoolPrefixBounds',
    })
  if (max > bitsOf(version as 4 | 6)) throw refuse(`max_prefixlen=${max}`, `${bitsOf(version as 4 | 6)} bits`)
  if (min > max) throw refuse(`min_prefixlen=${min}`, `max_prefixlen=${max}`)
  if (usual < min) throw refuse(`default_prefixlen=${usual}`, `min_prefixlen=${min}`)
  if (usual > max) throw refuse(`default_prefixlen=${usual}`, `max_prefixlen=${max}`)
}

const assertOnlyDefault = async (tx: Tx, pool: SubnetPool): Promise<void> => {
  const others = await list(tx, subnetPoolKind, {
    conditions: [equals('is_default', 1), equals('ip_version', pool.ip_version)],
  })
  if (others.some(({ id }) => id !== pool.id))
    throw invalid(`A default subnetpool for IPv${pool.ip_version} already exists`, 'is_default')
}

/** Pools of one address scope never overlap: that is what the scope promises. */
const assertApart = async (tx: Tx, pool: SubnetPool): Promise<void> => {
  const others = await list(tx, subnetPoolKind, { conditions: [equals('address_scope_id', pool.address_scope_id!)] })
  const own = pool.prefixes.map((text) => parsePrefix(text)!)
  const other = others.find(
    ({ id, prefixes }) =>
      id !== pool.id && prefixes.some((text) => own.some((prefix) => overlaps(prefix, parsePrefix(text)!))),
  )
  if (other)
    throw conflict(
      `Subnetpool ${pool.id} cannot associate with address scope ${pool.address_scope_id}: a prefix overlaps ` +
        `with subnetpool ${other.id}.`,
      { type: 'AddressScopePrefixConflict' },
    )
}

/** Upstream answers 500 in these words; that a pool is empty is no fault of the server. */
const noRoom = (asked: Prefix | undefined, length: number) =>
  conflict(
    asked
      ? 'Failed to allocate subnet: Cannot allocate requested subnet from the available set of prefixes.'
      : `Failed to allocate subnet: Insufficient prefix space to allocate subnet size /${length}.`,
    { type: 'SubnetAllocationError' },
  )

const chosen = (
  pool: SubnetPool,
  taken: Prefix[],
  { cidr, prefixlen }: { cidr?: string; prefixlen?: number },
): Prefix => {
  const asked = cidr === undefined ? undefined : parsePrefix(cidr)
  const length = asked?.length ?? prefixlen ?? pool.default_prefixlen
  const sized = (bound: string, limit: number) =>
    badRequest(`Unable to allocate subnet with prefix length ${length}, ${bound} allowed prefix is ${limit}.`, {
      type: `${bound === 'minimum' ? 'Min' : 'Max'}PrefixSubnetAllocationError`,
    })
  if (length < pool.min_prefixlen) throw sized('minimum', pool.min_prefixlen)
  if (length > pool.max_prefixlen) throw sized('maximum', pool.max_prefixlen)
  const prefixes = pool.prefixes.map((text) => parsePrefix(text)!)
  const found = asked
    ? [asked].find(
        (one) =>
          prefixes.some((prefix) => containsPrefix(prefix, one)) && !taken.some((other) => overlaps(other, one)),
      )
    : firstFree(
        prefixes.sort((a, b) => b.length - a.length),
        taken,
        length,
      )
  if (found) return found
  throw noRoom(asked, length)
}

/** Steps over what is taken instead of trying every block: the cost follows the subnets, not the pool. */
const firstFree = (prefixes: Prefix[], taken: Prefix[], length: number): Prefix | undefined => {
  for (const prefix of prefixes) {
    if (length < prefix.length) continue
    let candidate = prefixOf({ version: prefix.version, value: prefix.first }, length)
    while (candidate.last <= prefix.last) {
      const other = taken.find((one) => overlaps(one, candidate))
      if (!other) return candidate
      const next = (other.last > candidate.last ? other.last : candidate.last) + 1n
      if (next > prefix.last) break
      candidate = prefixOf({ version: prefix.version, value: next }, length)
    }
  }
  return undefined
}

/** Counted in addresses (IPv4) or in /64s (IPv6), as upstream. */
const assertQuota = (pool: SubnetPool, prefixes: Prefix[]): void => {
  if (pool.default_quota === null || pool.default_quota < 0) return
  const unit = pool.ip_version === 4 ? 1n : 1n << 64n
  const used = prefixes.reduce((sum, prefix) => sum + (sizeOf(prefix) + unit - 1n) / unit, 0n)
  if (used > BigInt(pool.default_quota)) {
    throw conflict(`Per-tenant subnet pool prefix quota exceeded: ${used} of ${pool.default_quota} would be used.`, {
      type: 'SubnetPoolQuotaExceeded',
    })
  }
}
