/** Address scopes: within one, no two subnet pools overlap. */
import type { RequestContext } from '#platform/auth/context.ts'
import { badRequest, conflict } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { addressScopeKind, subnetPoolKind } from '../store/kinds.ts'
import { equals, insert, list, remove, update } from '../store/records.ts'
import type { AddressScope } from '../store/tables.ts'
import { Collection } from './collection.ts'
import { born, type NeutronParts } from './parts.ts'
import { ownOpenedOrFlagged } from './subnet-pools.ts'

export class AddressScopes {
  readonly collection: Collection<AddressScope>
  readonly #parts: NeutronParts
  constructor(parts: NeutronParts) {
    this.#parts = parts
    this.collection = new Collection(parts, addressScopeKind, ownOpenedOrFlagged('address_scope'))
  }

  create(
    _ctx: RequestContext,
    inputs: (Partial<AddressScope> & { project_id: string; ip_version: number })[],
  ): Promise<AddressScope[]> {
    return this.#parts.db.transaction(async (tx) => {
      const made: AddressScope[] = []
      for (const input of inputs)
        made.push(
          await insert(tx, addressScopeKind, {
            ...born(this.#parts, uuid(), input.project_id),
            name: '',
            shared: false,
            ...input,
          }),
        )
      return made
    })
  }

  update(ctx: RequestContext, id: string, fields: Partial<AddressScope>, ifMatch?: number): Promise<AddressScope> {
    return this.#parts.db.transaction(async (tx) => {
      const scope = await this.collection.owned(tx, ctx, id, 'update_address_scope', ifMatch)
      if (scope.shared && fields.shared === false) {
        throw badRequest(`Unable to update address scope ${id} : Shared address scope can't be unshared.`, {
          type: 'AddressScopeUpdateError',
        })
      }
      return update(tx, addressScopeKind, scope, fields, this.#parts.clock.now())
    })
  }

  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      await this.collection.owned(tx, ctx, id, 'delete_address_scope', ifMatch)
      const pools = await list(tx, subnetPoolKind, { conditions: [equals('address_scope_id', id)], limit: 1 })
      if (pools.length > 0)
        throw conflict(
          `Unable to complete operation on address scope ${id}. There are one or more subnet pools in use on ` +
            `the address scope.`,
          { type: 'AddressScopeInUse' },
        )
      await remove(tx, addressScopeKind, id)
    })
  }
}
