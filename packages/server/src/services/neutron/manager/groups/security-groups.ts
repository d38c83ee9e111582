/** Security groups: making, changing and removing them. */
import type { RequestContext } from '#platform/auth/context.ts'
import { conflict } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { ownOrOpened, sharedAmong } from '../../store/access.ts'
import { securityGroupKind, securityGroupRuleKind } from '../../store/kinds.ts'
import { defaultGroupForget, isGroupUsed } from '../../store/memberships.ts'
import { equals, insert, insertMany, isIn, list, remove, update } from '../../store/records.ts'
import type { SecurityGroup, SecurityGroupRule } from '../../store/tables.ts'
import { Collection } from '../collection.ts'
import { defaultGroupEnsure, egressAll, rulesFrom } from '../default-group.ts'
import { born, changed, charge, refund, type NeutronParts } from '../parts.ts'

const inUse = (id: string) => conflict(`Security Group ${id} in use.`, { type: 'SecurityGroupInUse' })
const defaultExists = () =>
  conflict('Default security group already exists.', { type: 'SecurityGroupDefaultAlreadyExists' })

export class SecurityGroups {
  readonly collection: Collection<SecurityGroup>
  readonly #parts: NeutronParts
  constructor(parts: NeutronParts) {
    this.#parts = parts
    this.collection = new Collection(parts, securityGroupKind, (viewer) => ownOrOpened(viewer, 'security_group'))
  }

  /** A project sees its default group from its first look on. */
  async defaultEnsure(ctx: RequestContext): Promise<void> {
    if (ctx.projectId !== '')
      await this.#parts.db.transaction((tx) => defaultGroupEnsure(this.#parts, tx, ctx.projectId))
  }

  create(
    _ctx: RequestContext,
    inputs: (Partial<SecurityGroup> & { project_id: string })[],
  ): Promise<SecurityGroup[]> {
    return this.#parts.db.transaction(async (tx) => {
      const made: SecurityGroup[] = []
      for (const input of inputs) {
        if (input.name === 'default') throw defaultExists()
        await defaultGroupEnsure(this.#parts, tx, input.project_id)
        const group = { ...born(this.#parts, uuid(), input.project_id), name: '', stateful: true, ...input }
        await charge(this.#parts, tx, 'security_groups', group)
        await insert(tx, securityGroupKind, group)
        await insertMany(tx, securityGroupRuleKind, rulesFrom(this.#parts, group, egressAll))
        changed(tx, 'security_group', group.id)
        made.push(group)
      }
      return made
    })
  }

  update(ctx: RequestContext, id: string, fields: Partial<SecurityGroup>, ifMatch?: number): Promise<SecurityGroup> {
    return this.#parts.db.transaction(async (tx) => {
      const group = await this.collection.owned(tx, ctx, id, 'update_security_group', ifMatch)
      if (group.name === 'default' && fields.name !== undefined && fields.name !== 'default') {
        throw conflict('Updating default security group not allowed.', { type: 'SecurityGroupCannotUpdateDefault' })
      }
      if (fields.name === 'default' && group.name !== 'default') throw defaultExists()
      if (fields.stateful !== undefined && fields.stateful !== group.stateful && (await isGroupUsed(tx, id)))
        throw inUse(id)
      const after = await update(tx, securityGroupKind, group, fields, this.#parts.clock.now())
      changed(tx, 'security_group', id)
      return after
    })
  }

  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const group = await this.collection.owned(tx, ctx, id, 'delete_security_group', ifMatch)
      if (group.name === 'default' && !ctx.isAdmin) {
        throw conflict('Insufficient rights for removing default security group.', {
          type: 'SecurityGroupCannotRemoveDefault',
        })
      }
      if (await isGroupUsed(tx, id)) throw inUse(id)
      for (const rule of await list(tx, securityGroupRuleKind, { conditions: [equals('security_group_id', id)] })) {
        await refund(this.#parts, tx, 'security_group_rules', rule)
      }
      await tx.as<any>().deleteFrom('neutron_security_group_rule').where('remote_group_id', '=', id).execute()
      await defaultGroupForget(tx, id)
      await remove(tx, securityGroupKind, id)
      await refund(this.#parts, tx, 'security_groups', group)
      changed(tx, 'security_group', id)
    })
  }

  /** Each group's rules, oldest first, and which groups were opened to the project. */
  async surroundings(
    ctx: RequestContext,
    groups: SecurityGroup[],
  ): Promise<{ rules: Map<string, SecurityGroupRule[]>; shared: Set<string> }> {
    const ids = groups.map(({ id }) => id)
    const [rules, shared] = await Promise.all([
      list(this.#parts.db, securityGroupRuleKind, { conditions: [isIn('security_group_id', ids)] }),
      sharedAmong(this.#parts.db, 'security_group', ids, ctx.projectId),
    ])
    return { rules: Map.groupBy(rules, ({ security_group_id }) => security_group_id), shared }
  }
}
