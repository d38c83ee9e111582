/** Rules of security groups: made and removed, never changed. */
import type { RequestContext } from '#platform/auth/context.ts'
import type { Tx } from '#platform/db/database.ts'
import { conflict, methodNotAllowed } from '#platform/errors/errors.ts'
import { uuid } from '#platform/ids/ids.ts'
import { ownOrOpened } from '../../store/access.ts'
import { addressGroupKind, securityGroupKind, securityGroupRuleKind } from '../../store/kinds.ts'
import { equals, fetch, insert, list, remove, update } from '../../store/records.ts'
import type { SecurityGroup, SecurityGroupRule } from '../../store/tables.ts'
import { Collection, viewerOf } from '../collection.ts'
import { born, changed, charge, refund, type NeutronParts } from '../parts.ts'
import { missing } from '../refusals.ts'
import { canonicalPattern, patternKey } from './rule-checks.ts'

export type RuleInput = Partial<SecurityGroupRule> &
  Pick<SecurityGroupRule, 'project_id' | 'security_group_id' | 'direction'>

export class SecurityGroupRules {
  readonly collection: Collection<SecurityGroupRule>
  readonly #parts: NeutronParts
  readonly #groups: Collection<SecurityGroup>
  constructor(parts: NeutronParts, groups: Collection<SecurityGroup>) {
    this.#parts = parts
    this.#groups = groups
    this.collection = new Collection(parts, securityGroupRuleKind, (viewer) => {
      const visible = ownOrOpened(viewer, 'security_group')
      return (
        visible &&
        ((where) =>
          where('security_group_id', 'in', where.selectFrom('neutron_security_group').select('id').where(visible)))
      )
    })
  }

  create(ctx: RequestContext, inputs: RuleInput[]): Promise<SecurityGroupRule[]> {
    return this.#parts.db.transaction(async (tx) => {
      const made: SecurityGroupRule[] = []
      for (const input of inputs) made.push(await this.#create(tx, ctx, input))
      return made
    })
  }

  async #create(tx: Tx, ctx: RequestContext, input: RuleInput): Promise<SecurityGroupRule> {
    const group = await this.#groups.owned(tx, ctx, input.security_group_id, 'create_security_group_rule')
    const rule = canonicalPattern({
      ...born(this.#parts, uuid(), group.project_id),
      ethertype: 'IPv4' as const,
      protocol: null,
      port_range_min: null,
      port_range_max: null,
      remote_ip_prefix: null,
      remote_group_id: null,
      remote_address_group_id: null,
      ...input,
    })
    await this.#assertRemotes(tx, ctx, rule)
    await assertNew(tx, rule)
    await charge(this.#parts, tx, 'security_group_rules', rule)
    await insert(tx, securityGroupRuleKind, rule)
    await this.#touch(tx, group)
    return rule
  }

  async #assertRemotes(
    tx: Tx,
    ctx: RequestContext,
    { remote_group_id: groupId, remote_address_group_id: addressGroupId }: SecurityGroupRule,
  ): Promise<void> {
    if (groupId !== null) await this.#groups.fetch(viewerOf(ctx), groupId, tx)
    if (addressGroupId !== null && !(await fetch(tx, addressGroupKind, addressGroupId)))
      throw missing(addressGroupKind, addressGroupId)
  }

  async #touch(tx: Tx, group: SecurityGroup): Promise<void> {
    await update(tx, securityGroupKind, group, {}, this.#parts.clock.now())
    changed(tx, 'security_group', group.id)
  }

  /** A rule is replaced, not changed: packets must not meet half of a change. */
  async update(): Promise<never> {
    throw methodNotAllowed('Security group rules cannot be changed: delete the rule and create another.')
  }

  remove(ctx: RequestContext, id: string, ifMatch?: number): Promise<void> {
    return this.#parts.db.transaction(async (tx) => {
      const rule = await this.collection.owned(tx, ctx, id, 'delete_security_group_rule', ifMatch)
      await remove(tx, securityGroupRuleKind, id)
      await refund(this.#parts, tx, 'security_group_rules', rule)
      const group = await fetch(tx, securityGroupKind, rule.security_group_id)
      if (group) await this.#touch(tx, group)
    })
  }
}

const assertNew = async (tx: Tx, rule: SecurityGroupRule): Promise<void> => {
  const siblings = await list(tx, securityGroupRuleKind, {
    conditions: [equals('security_group_id', rule.security_group_id)],
  })
  const same = siblings.find((other) => patternKey(other) === patternKey(rule))
  if (same)
    throw conflict(`Security group rule already exists. Rule id is ${same.id}.`, { type: 'SecurityGroupRuleExists' })
}
