/** Address groups: named sets of prefixes that security group rules refer to. */
import type { RequestContext } from '#platform/auth/context.ts'
import { conflict, notFound } from '#platform/errors/errors.ts'
import { bitsOf, parseAddress } from '#engines/cidr/address.ts'
import { canonicalCidr } from '#engines/cidr/prefix.ts'
import { uuid } from '#platform/ids/ids.ts'
import { ownOrOpened } from '../store/access.ts'
import { addressGroupKind, securityGroupRuleKind } from '../store/kinds.ts'
import { equals, insert, list, remove, update } from '../store/records.ts'
import type { AddressGroup } from '../store/tables.ts'
import { Collection } from './collection.ts'
import { born, changed, type NeutronParts } from './parts.ts'
import { invalidAttribute } from './refusals.ts'

export class AddressGroups {
  readonly collection: Collection<AddressGroup>
  readonly #parts: NeutronParts
  constructor(parts: NeutronParts) {
    this.#parts = parts
    this.collection = new Collection(parts, addressGroupKind, (viewer) => ownOrOpened(viewer, 'address_group'))
  }

  create(_ctx: RequestContext, inputs: (Partial<AddressGroup> & { project_id: string })[]): Promise<AddressGroup[]> {
    return this.#parts.db.transaction(async (tx) => {
      const made: AddressGroup[] = []
      for (const input of inputs) {
        made.push(
          await insert(tx, addressGroupKind, {
            ...born(this.#parts, uuid(), input.project_id),
            name: '',
            ...input,
            addresses: canonical(input.addresses ?? []),
          }),
        )
      }
      return made
    })
  }

  update(ctx: RequestContext, id: string, fields: Partial<AddressGroup>, ifMatch?: number): Promise<AddressGroup> {
    return this.#change(ctx, id, () => fields, ifMatch)
  }

  addressesAdd(ctx: RequestContext, id: string, addresses: string[]): Promise<AddressGroup> {
    return this.#change(ctx, id, (group) => ({ addresses: canonical([...group.addresses, ...addresses]) }))
  }

  addressesRemove(ctx: RequestContext, id: string, addresses: string[]): Promise<AddressGroup> {
    const gone = canonical(addresses)
    return this.#change(ctx, id, (group) => {
      const unknown = gone.filter((address) => !group.addresses.includes(address))
      if (unknown.length > 0)
        throw notFound(`Addresses ${unknown.join(', ')} not found in address group ${id}.`, {
          type: 'AddressesNotFound',
        })
      return { addresses: group.addresses.filter((address) => !gone.includes(address)) }
    })
  }

  #change(
    ctx: RequestContext,
    id: string,
    change: (group: AddressGroup) => Partial<AddressGroup>,
    ifMatch?: number,
  ): Promise<AddressGroup> {
    return this.#parts.db.transaction(async (tx) => {
      const group = await this.collection.owned(tx, ctx, id, 'update_address_group', ifMatch)
      changed(tx, 'address_group', id)
      return update(tx, addressGroupKind, group, change(group), this.#parts.clock.now())
    })
  }

  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      await this.collection.owned(tx, ctx, id, 'delete_address_group', ifMatch)
      const rules = await list(tx, securityGroupRuleKind, {
        conditions: [equals('remote_address_group_id', id)],
        limit: 1,
      })
      if (rules.length > 0)
        throw conflict(`Address group ${id} is in use on one or more security group rules.`, {
          type: 'AddressGroupInUse',
        })
      await remove(tx, addressGroupKind, id)
    })
  }
}

const canonical = (addresses: string[]): string[] => [
  ...new Set(
    addresses.map((text) => {
      const address = parseAddress(text)
      const cidr = canonicalCidr(address ? `${text}/${bitsOf(address.version)}` : text)
      if (cidr === undefined) throw invalidAttribute('addresses', `'${text}' is not a valid IP address or subnet`)
      return cidr
    }),
  ),
]
