/** A set of policy rules, compiled once into functions; a set with an undefined or circular rule is refused. */
import { parseRule, ruleText, type Expression, type Piece } from './language.ts'

export type Target = Readonly<Record<string, unknown>>
/** The caller's attributes; `roles` are compared without regard to case. */
export interface Credentials { readonly roles: readonly string[]; readonly [attribute: string]: unknown }

export type Check = (target: Target, caller: Credentials) => boolean

/** Every problem of the set in one message, so that an operator mends a file in one go. */
export class PolicyProblem extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(`the policy cannot be used: ${problems.join('; ')}`)
    this.name = 'PolicyProblem'
    this.problems = problems
  }
}

/** As policy files write values: `None`, `True`, `False`, anything else as text. */
const policyText = (value: unknown): string => {
  if (typeof value === 'string') return value
  if (value === null || value === undefined) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return String(value)
}

const missing = Symbol('missing')

/** An attribute by its name as written, or else by walking its dots. */
const attributeOf = (source: Readonly<Record<string, unknown>>, path: string, steps: readonly string[]): unknown => {
  const direct = source[path]
  if (direct !== undefined) return direct
  if (Object.hasOwn(source, path)) return null
  let at: unknown = source
  for (const step of steps) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return missing
    at = (at as Record<string, unknown>)[step]
  }
  return at
}

type Render = (target: Target) => string | typeof missing

const renderPiece = (piece: Piece): Render => {
  if ('text' in piece) return () => piece.text
  const steps = piece.attribute.split('.')
  return (target) => {
    const value = attributeOf(target, piece.attribute, steps)
    return value === missing ? missing : policyText(value)
  }
}

/** The right side of a check for a target; `missing` when the target lacks an attribute it names. */
const renderer = (match: Piece[]): Render => {
  if (match.length === 0) return () => ''
  if (match.length === 1) return renderPiece(match[0]!)
  const parts = match.map(renderPiece)
  return (target) => {
    let text = ''
    for (const part of parts) {
      const value = part(target)
      if (value === missing) return missing
      text += value
    }
    return text
  }
}

/** The wanted text is found at the path; in a list, any element will do. */
const holdsAt = (at: unknown, steps: readonly string[], index: number, wanted: string): boolean => {
  if (index > 0 && Array.isArray(at)) return at.some((element) => holdsAt(element, steps, index, wanted))
  if (index === steps.length) return policyText(at) === wanted
  if (typeof at !== 'object' || at === null || !Object.hasOwn(at, steps[index]!)) return false
  return holdsAt((at as Record<string, unknown>)[steps[index]!], steps, index + 1, wanted)
}

const roleCheck = (match: Piece[]): Check => {
  const only = match[0]
  if (match.length === 1 && only && 'text' in only) {
    const wanted = only.text.toLowerCase()
    return (_target, caller) => hasRole(caller.roles, wanted)
  }
  const render = renderer(match)
  return (target, caller) => {
    const wanted = render(target)
    return wanted !== missing && hasRole(caller.roles, wanted.toLowerCase())
  }
}

const hasRole = (roles: readonly string[], wanted: string): boolean => {
  for (const role of roles) if (role === wanted || role.toLowerCase() === wanted) return true
  return false
}

/** `domain_id:None` asks whether the caller has none: one that is absent counts, unlike one the target lacks. */
const isNone = (match: Piece[]): boolean => match.length === 1 && 'text' in match[0]! && match[0].text === 'None'

const stepInto = (value: unknown, step: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, step)
    ? (value as Record<string, unknown>)[step]
    : undefined

const valueAt = (at: unknown, steps: readonly string[]): unknown => steps.reduce(stepInto, at)

const callerCheck = (path: string, match: Piece[]): Check => {
  const steps = path.split('.')
  if (isNone(match)) return (_target, caller) => (valueAt(caller, steps) ?? 'None') === 'None'
  const render = renderer(match)
  return (target, caller) => {
    const wanted = render(target)
    return wanted !== missing && holdsAt(caller, steps, 0, wanted)
  }
}

const literalCheck = (value: string, match: Piece[]): Check => {
  const render = renderer(match)
  return (target) => render(target) === value
}

const allOf = (checks: Check[]): Check => (target, caller) => {
  for (const check of checks) if (!check(target, caller)) return false
  return true
}

const anyOf = (checks: Check[]): Check => (target, caller) => {
  for (const check of checks) if (check(target, caller)) return true
  return false
}

const references = (expression: Expression): string[] => {
  switch (expression.kind) {
    case 'rule': return [expression.name]
    case 'not': return references(expression.part)
    case 'and': case 'or': return expression.parts.flatMap(references)
    default: return []
  }
}

export class RuleSet {
  readonly #trees = new Map<string, Expression>()
  readonly #checks = new Map<string, Check>()

  /** @throws PolicyProblem naming every unreadable, undefined and circular rule. */
  constructor(rules: Readonly<Record<string, string>>) {
    const problems = [...this.#parse(rules), ...this.#undefinedRules(rules), ...this.#circles()]
    if (problems.length > 0) throw new PolicyProblem(problems)
  }

  has(name: string): boolean { return this.#trees.has(name) }

  /** The rule as compiled, in policy text. */
  text(name: string): string | undefined {
    const tree = this.#trees.get(name)
    return tree && ruleText(tree)
  }

  /**
   * Why a rule does not hold: the checks that failed, in words that tell the caller what is missing and nothing
   * about the target that the caller did not send.
   */
  explain(name: string, target: Target, caller: Credentials): string {
    const tree = this.#trees.get(name)
    if (tree === undefined) return `there is no policy rule "${name}"`
    const failed = [...new Set(this.#failures(tree, target, caller))]
    if (failed.length === 0) return `policy rule "${name}" holds`
    return `policy rule "${name}" needs ${failed.join(', or ')}`
  }

  #failures(tree: Expression, target: Target, caller: Credentials): string[] {
    if (tree.kind === 'rule') return this.#failures(this.#trees.get(tree.name)!, target, caller)
    if (this.#compile(tree)(target, caller)) return []
    if (tree.kind === 'or') return tree.parts.flatMap((part) => this.#failures(part, target, caller))
    if (tree.kind !== 'and') return [ruleText(tree)]
    const failing = tree.parts.map((part) => this.#failures(part, target, caller)).filter((part) => part.length > 0)
    return [failing.map((part) => (part.length > 1 ? `(${part.join(' or ')})` : part[0]!)).join(' and ')]
  }

  /** An unknown rule never holds. */
  check(name: string, target: Target, caller: Credentials): boolean {
    const check = this.#checks.get(name) ?? this.#compiled(name)
    return check !== undefined && check(target, caller)
  }

  #compiled(name: string): Check | undefined {
    const tree = this.#trees.get(name)
    if (tree === undefined) return undefined
    const known = this.#checks.get(name)
    if (known) return known
    const check = this.#compile(tree)
    this.#checks.set(name, check)
    return check
  }

  #compile(tree: Expression): Check {
    switch (tree.kind) {
      case 'always': return () => true
      case 'never': return () => false
      case 'and': return allOf(tree.parts.map((part) => this.#compile(part)))
      case 'or': return anyOf(tree.parts.map((part) => this.#compile(part)))
      case 'not': {
        const check = this.#compile(tree.part)
        return (target, caller) => !check(target, caller)
      }
      case 'rule': return this.#compiled(tree.name)!
      case 'role': return roleCheck(tree.match)
      case 'caller': return callerCheck(tree.path, tree.match)
      case 'literal': return literalCheck(tree.value, tree.match)
    }
  }

  #parse(rules: Readonly<Record<string, string>>): string[] {
    const problems: string[] = []
    for (const [name, text] of Object.entries(rules)) {
      try {
        this.#trees.set(name, parseRule(text))
      } catch (error) {
        problems.push(`rule "${name}": ${(error as Error).message}`)
      }
    }
    return problems
  }

  #undefinedRules(rules: Readonly<Record<string, string>>): string[] {
    return [...this.#trees].flatMap(([name, tree]) => references(tree)
      .filter((reference) => !Object.hasOwn(rules, reference))
      .map((reference) => `rule "${name}" uses rule "${reference}", which is not defined`))
  }

  #circles(): string[] {
    const done = new Set<string>()
    const circles: string[] = []
    const visit = (name: string, path: string[]): void => {
      const start = path.indexOf(name)
      if (start >= 0) { circles.push(`rules go in a circle: ${[...path.slice(start), name].join(' → ')}`); return }
      if (done.has(name)) return
      done.add(name)
      const tree = this.#trees.get(name)
      if (tree) for (const reference of references(tree)) visit(reference, [...path, name])
    }
    for (const name of this.#trees.keys()) visit(name, [])
    return circles
  }
}
