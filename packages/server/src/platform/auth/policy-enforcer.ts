/** Builds a service's `Enforcer`: default rules, the operator's overrides, and the scopes a rule accepts. */
import type { PolicyRule } from '../api-kit/service.ts'
import { PolicyProblem, RuleSet, type Credentials } from '../../engines/policy/rule-set.ts'
import type { TokenData } from './context.ts'
import type { Enforcer } from './enforcer.ts'

export interface EnforcerOptions {
  defaults: readonly PolicyRule[]
  /** Rule name → text, as the operator wrote it. A new name makes a new rule. */
  overrides: Readonly<Record<string, string>>
  /** Refuse a token whose scope is not among the rule's, whatever its roles. */
  enforceScope: boolean
}

type Scope = 'system' | 'domain' | 'project'

const scopeOf = (token: TokenData): Scope | undefined =>
  token.system ? 'system' : token.domain ? 'domain' : token.project ? 'project' : undefined

/** A token as policy rules see it. Attributes the token lacks are absent, so that no rule matches on them. */
export const credentialsOf = (token: TokenData): Credentials => {
  const roles = token.roles.map((role) => role.name)
  const { user, project, domain, trust } = token
  return {
    roles,
    is_admin: roles.includes('admin'),
    user_id: user.id,
    user_domain_id: user.domain.id,
    ...(project && { project_id: project.id, tenant_id: project.id, project_domain_id: project.domain.id }),
    ...(domain && { domain_id: domain.id }),
    ...(token.system && { system_scope: 'all' }),
    ...(trust && { trust_id: trust.id, trustor_id: trust.trustorId, trustee_id: trust.trusteeId }),
    token: { user, ...(project && { project }), ...(domain && { domain }) },
  }
}

const duplicates = (rules: readonly PolicyRule[]): string[] => {
  const seen = new Set<string>()
  return rules.map((rule) => rule.name).filter((name) => seen.has(name) || !seen.add(name))
}

/** @throws PolicyProblem naming every rule that is unreadable, undefined, circular or given twice. */
export const createEnforcer = ({ defaults, overrides, enforceScope }: EnforcerOptions): Enforcer => {
  const twice = duplicates(defaults)
  if (twice.length > 0) throw new PolicyProblem(twice.map((name) => `rule "${name}" has two defaults`))
  const rules = new RuleSet({ ...Object.fromEntries(defaults.map((rule) => [rule.name, rule.rule])), ...overrides })
  const scopes = new Map(defaults.flatMap((rule) => (rule.scopes ? [[rule.name, rule.scopes] as const] : [])))
  const known = new WeakMap<TokenData, Credentials>()

  const credentials = (token: TokenData): Credentials => {
    const before = known.get(token)
    if (before) return before
    const made = credentialsOf(token)
    known.set(token, made)
    return made
  }
  const wrongScope = (rule: string, caller: TokenData): Scope | undefined => {
    const accepted = enforceScope ? scopes.get(rule) : undefined
    const scope = accepted && scopeOf(caller)
    return scope && !accepted.includes(scope) ? scope : undefined
  }

  return {
    check: (rule, target, caller) =>
      wrongScope(rule, caller) === undefined && rules.check(rule, target, credentials(caller)),
    explain: (rule, target, caller) => {
      const scope = wrongScope(rule, caller)
      if (scope === undefined) return rules.explain(rule, target, credentials(caller))
      const accepted = scopes.get(rule)!.join(' or ')
      return `policy rule "${rule}" needs a token with ${accepted} scope; this one has ${scope} scope`
    },
  }
}
