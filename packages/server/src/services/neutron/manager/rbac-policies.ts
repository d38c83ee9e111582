/** RBAC policies: opening one object to one other project, or to all. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { badRequest, conflict, forbidden } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { own, ownOrOpened } from '../store/access.ts'
import {
  addressGroupKind,
  addressScopeKind,
  networkKind,
  portKind,
  rbacKind,
  securityGroupKind,
  subnetPoolKind,
  type Kind,
} from '../store/kinds.ts'
import { equals, insertIfFree, list, remove, update, type Condition } from '../store/records.ts'
import type { RbacPolicy } from '../store/tables.ts'
import { Collection, viewerOf } from './collection.ts'
import { born, changed, charge, refund, type NeutronParts } from './parts.ts'
import { invalid } from './refusals.ts'

const shared = ['access_as_shared']
const objects: Record<string, { kind: Kind<any>; actions: string[] }> = {
  network: { kind: networkKind, actions: [...shared, 'access_as_external'] },
  security_group: { kind: securityGroupKind, actions: shared },
  address_group: { kind: addressGroupKind, actions: shared },
  address_scope: { kind: addressScopeKind, actions: shared },
  subnetpool: { kind: subnetPoolKind, actions: shared },
}

export type RbacInput = Pick<RbacPolicy, 'project_id' | 'object_type' | 'object_id' | 'action' | 'target_tenant'>

export class RbacPolicies {
  readonly collection: Collection<RbacPolicy>
  readonly #parts: NeutronParts
  constructor(parts: NeutronParts) {
    this.#parts = parts
    this.collection = new Collection(parts, rbacKind, own)
  }

  create(ctx: RequestContext, inputs: RbacInput[]): Promise<RbacPolicy[]> {
    return this.#parts.db.transaction(async (tx) => {
      const made: RbacPolicy[] = []
      for (const input of inputs) made.push(await this.#create(tx, ctx, input))
      return made
    })
  }

  async #create(tx: Tx, ctx: RequestContext, input: RbacInput): Promise<RbacPolicy> {
    await assertMayOpen(this.#parts, tx, ctx, input)
    const policy: RbacPolicy = { ...born(this.#parts, uuid(), input.project_id), ...input }
    await charge(this.#parts, tx, 'rbac_policies', policy)
    if (!(await insertIfFree(tx, rbacKind, policy)))
      throw conflict('An RBAC policy already exists with those values.', { type: 'DuplicateRbacPolicy' })
    await follow(tx, policy, true)
    return policy
  }

  update(
    ctx: RequestContext,
    id: string,
    { target_tenant: target }: Partial<RbacPolicy>,
    ifMatch?: number,
  ): Promise<RbacPolicy> {
    return this.#parts.db.transaction(async (tx) => {
      const policy = await this.collection.owned(tx, ctx, id, 'update_rbac_policy', ifMatch)
      if (target === undefined || target === policy.target_tenant) return policy
      assertWildcard(ctx, target)
      if (target !== '*') await assertUnneeded(tx, policy, target)
      return update(tx, rbacKind, policy, { target_tenant: target }, this.#parts.clock.now())
    })
  }

  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const policy = await this.collection.owned(tx, ctx, id, 'delete_rbac_policy', ifMatch)
      await assertUnneeded(tx, policy)
      await remove(tx, rbacKind, id)
      await refund(this.#parts, tx, 'rbac_policies', policy)
      await follow(tx, policy, false)
    })
  }
}

const assertWildcard = (ctx: RequestContext, target: string): void => {
  if (target === '*' && !ctx.isAdmin)
    throw forbidden('(rule:create_rbac_policy:target_tenant) is disallowed by policy')
}

const assertMayOpen = async (parts: NeutronParts, tx: Tx, ctx: RequestContext, input: RbacInput): Promise<void> => {
  const object = Object.hasOwn(objects, input.object_type) ? objects[input.object_type] : undefined
  if (!object)
    throw invalid(
      `'${input.object_type}' is not a valid RBAC object type: use one of ${Object.keys(objects).join(', ')}`,
      'object_type',
    )
  if (!object.actions.includes(input.action)) {
    throw badRequest(
      `Invalid action '${input.action}' for object type '${input.object_type}'. Valid actions: ` +
        `${object.actions.join(', ')}`,
      { type: 'InvalidRbacAction' },
    )
  }
  assertWildcard(ctx, input.target_tenant)
  const record = await new Collection(parts, object.kind, (viewer) => ownOrOpened(viewer, input.object_type)).fetch(
    viewerOf(ctx),
    input.object_id,
    tx,
  )
  if (record.project_id !== ctx.projectId && !ctx.isAdmin)
    throw forbidden('(rule:create_rbac_policy) is disallowed by policy')
}

/** A network stays open to those whose ports are on it; gateways keep it external. */
const assertUnneeded = async (tx: Tx, policy: RbacPolicy, newTarget?: string): Promise<void> => {
  if (policy.object_type !== 'network') return
  const [network] = await list(tx, networkKind, { conditions: [equals('id', policy.object_id)] })
  if (!network) return
  const gateways = policy.action === 'access_as_external'
  const users: Condition[] = [
    equals('network_id', policy.object_id),
    (where) =>
      where('project_id', 'not in', ['', network.project_id, ...(newTarget === undefined ? [] : [newTarget])]),
    ...(gateways ? [equals('device_owner', 'network:router_gateway')] : []),
    ...(policy.target_tenant === '*' ? [] : [equals('project_id', policy.target_tenant)]),
  ]
  const others = await list(tx, rbacKind, {
    conditions: [
      equals('object_id', policy.object_id),
      equals('action', policy.action),
      equals('target_tenant', '*'),
    ],
  })
  if (others.some(({ id }) => id !== policy.id)) return
  if ((await list(tx, portKind, { conditions: users, limit: 1 })).length > 0) {
    throw conflict(
      `RBAC policy on object ${policy.object_id} cannot be removed because other objects depend on it.`,
      { type: 'RbacPolicyInUse' },
    )
  }
}

/** `router:external` is a network's column as well: it says what a policy for all says. */
const follow = async (tx: Tx, policy: RbacPolicy, isOpen: boolean): Promise<void> => {
  changed(tx, policy.object_type, policy.object_id)
  if (policy.action !== 'access_as_external' || policy.object_type !== 'network') return
  const left = await list(tx, rbacKind, {
    conditions: [equals('object_id', policy.object_id), equals('action', 'access_as_external')],
    limit: 1,
  })
  await tx
    .as<any>()
    .updateTable('neutron_network')
    .set({ external: isOpen || left.length > 0 ? 1 : 0 })
    .where('id', '=', policy.object_id)
    .execute()
}
