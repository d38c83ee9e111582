/** The policy language: reads the text of one rule into a tree, and says where a text goes wrong. */

/** A piece of a check's right side: fixed text, or an attribute of the target (`%(project_id)s`). */
export type Piece = { text: string } | { attribute: string }

export type Expression =
  | { kind: 'always' }
  | { kind: 'never' }
  | { kind: 'and' | 'or'; parts: Expression[] }
  | { kind: 'not'; part: Expression }
  | { kind: 'rule'; name: string }
  | { kind: 'role'; match: Piece[] }
  /** `user_id:%(target.user.id)s`: an attribute of the caller, by its path. */
  | { kind: 'caller'; path: string; match: Piece[] }
  /** `'member':%(target.role.name)s`, `None:%(parent_id)s`: a value compared with the target. */
  | { kind: 'literal'; value: string; match: Piece[] }

export class PolicySyntaxError extends Error {
  constructor(rule: string, problem: string) {
    super(`policy text "${rule}": ${problem}`)
    this.name = 'PolicySyntaxError'
  }
}

type Token = { kind: '(' | ')' | 'and' | 'or' | 'not' } | { kind: 'check'; text: string }

/** Parentheses count only at the edges of a word: inside they belong to `%(…)s`. */
const tokensOfWord = (word: string): Token[] => {
  const opening = /^\(*/.exec(word)![0].length
  const rest = word.slice(opening)
  const body = rest.replace(/\)+$/, '')
  const lowered = body.toLowerCase()
  const middle: Token[] = body === '' ? []
    : lowered === 'and' || lowered === 'or' || lowered === 'not' ? [{ kind: lowered }]
    : [{ kind: 'check', text: body }]
  return [
    ...Array.from({ length: opening }, (): Token => ({ kind: '(' })),
    ...middle,
    ...Array.from({ length: rest.length - body.length }, (): Token => ({ kind: ')' })),
  ]
}

const piecesOf = (rule: string, match: string): Piece[] => {
  const pieces: Piece[] = []
  let rest = match
  while (rest !== '') {
    const found = /%(?:\(([^)]+)\)s|%)/.exec(rest)
    const before = found ? rest.slice(0, found.index) : rest
    if (before.includes('%')) {
      throw new PolicySyntaxError(rule, `"${match}" holds a "%" that is neither "%(name)s" nor "%%"`)
    }
    if (before !== '') pieces.push({ text: before })
    if (!found) break
    pieces.push(found[1] === undefined ? { text: '%' } : { attribute: found[1] })
    rest = rest.slice(found.index + found[0].length)
  }
  return pieces
}

const quoted = /^'([^']*)'$|^"([^"]*)"$/
const literalOf = (kind: string): string | undefined => {
  const text = quoted.exec(kind)
  if (text) return text[1] ?? text[2]
  return /^(None|True|False|-?\d+(\.\d+)?)$/.test(kind) ? kind : undefined
}

const checkOf = (rule: string, text: string): Expression => {
  if (text === '@') return { kind: 'always' }
  if (text === '!') return { kind: 'never' }
  const colon = colonOf(text)
  if (colon < 1) throw new PolicySyntaxError(rule, `"${text}" is not of the form kind:value`)
  const kind = text.slice(0, colon)
  const value = text.slice(colon + 1)
  if (kind === 'http' || kind === 'https') {
    throw new PolicySyntaxError(
      rule, `"${text}" asks a server; remote checks are not supported, state the condition itself`,
    )
  }
  if (kind === 'rule') return { kind: 'rule', name: value }
  const match = piecesOf(rule, value)
  if (kind === 'role') return { kind: 'role', match }
  const literal = literalOf(kind)
  return literal === undefined ? { kind: 'caller', path: kind, match } : { kind: 'literal', value: literal, match }
}

/** The colon that ends the kind: the first one outside a quoted literal. */
const colonOf = (text: string): number => {
  const quote = text[0]
  if (quote !== "'" && quote !== '"') return text.indexOf(':')
  const end = text.indexOf(quote, 1)
  return end < 0 ? -1 : text.indexOf(':', end)
}

class Reader {
  readonly #rule: string
  readonly #tokens: Token[]
  #at = 0
  constructor(rule: string) {
    this.#rule = rule
    this.#tokens = rule.split(/\s+/).filter((word) => word !== '').flatMap(tokensOfWord)
  }

  whole(): Expression {
    const expression = this.#or()
    const left = this.#tokens[this.#at]
    if (left) this.#fail(`unexpected "${left.kind === 'check' ? left.text : left.kind}"`)
    return expression
  }

  #or(): Expression {
    const parts = [this.#and()]
    while (this.#take('or')) parts.push(this.#and())
    return parts.length === 1 ? parts[0]! : { kind: 'or', parts }
  }

  #and(): Expression {
    const parts = [this.#unary()]
    while (this.#take('and')) parts.push(this.#unary())
    return parts.length === 1 ? parts[0]! : { kind: 'and', parts }
  }

  #unary(): Expression {
    if (this.#take('not')) return { kind: 'not', part: this.#unary() }
    if (this.#take('(')) {
      const inner = this.#or()
      if (!this.#take(')')) this.#fail('a ")" is missing')
      return inner
    }
    const token = this.#tokens[this.#at++]
    if (token?.kind === 'check') return checkOf(this.#rule, token.text)
    return this.#fail(token ? `a check was expected before "${token.kind}"` : 'it ends where a check was expected')
  }

  #take(kind: Token['kind']): boolean {
    if (this.#tokens[this.#at]?.kind !== kind) return false
    this.#at += 1
    return true
  }

  #fail(problem: string): never {
    throw new PolicySyntaxError(this.#rule, problem)
  }
}

/** Reads one rule's text. The empty text always holds, as operators' files expect. */
export const parseRule = (text: string): Expression => (
  text.trim() === '' ? { kind: 'always' } : new Reader(text).whole()
)

const matchText = (match: Piece[]): string =>
  match.map((piece) => ('text' in piece ? piece.text.replaceAll('%', '%%') : `%(${piece.attribute})s`)).join('')

const wrapped = (expression: Expression): string =>
  expression.kind === 'and' || expression.kind === 'or' ? `(${ruleText(expression)})` : ruleText(expression)

const literalText = (value: string): string => (literalOf(value) === undefined ? `'${value}'` : value)

/** Writes a tree as policy text: the inverse of `parseRule`, up to white space and needless parentheses. */
export const ruleText = (expression: Expression): string => {
  switch (expression.kind) {
    case 'always': return '@'
    case 'never': return '!'
    case 'and': case 'or': return expression.parts.map(wrapped).join(` ${expression.kind} `)
    case 'not': return `not ${wrapped(expression.part)}`
    case 'rule': return `rule:${expression.name}`
    case 'role': return `role:${matchText(expression.match)}`
    case 'caller': return `${expression.path}:${matchText(expression.match)}`
    case 'literal': return `${literalText(expression.value)}:${matchText(expression.match)}`
  }
}
