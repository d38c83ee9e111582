/** A project's reclaim policy in words that people type and read: `grace=30s onReclaim=stop`. */
import { StartProblem } from '../app/data-dir.ts'

export interface PolicyAnswer {
  /** What the project sets itself. */
  own: Record<string, unknown>
  /** What holds for it, with what it inherits. */
  effective: Record<string, unknown>
}

type Kind = 'duration' | 'duration or never' | 'count' | 'yes or no' | 'order' | 'by resource' | readonly string[]
interface Word {
  field: string
  kind: Kind
  about: string
}

/** Word → field of the API. */
export const policyWords: Record<string, Word> = {
  reclaim: {
    field: 'reclaim',
    kind: ['never', 'natural', 'onDemand', 'aggressive'],
    about: 'as an owner: when what it lent is taken back; aggressive gives no grace, natural ends nobody',
  },
  grace: { field: 'graceMs', kind: 'duration', about: 'as a borrower: how long its servers run on after a notice' },
  graceMax: { field: 'graceMaxMs', kind: 'duration', about: 'as an owner: the longest grace that it grants' },
  minRuntime: {
    field: 'minRuntimeMs',
    kind: 'duration',
    about: 'as a borrower: how long its servers run before a share of the pool is taken back',
  },
  waits: {
    field: 'waitsForMinRuntime',
    kind: 'yes or no',
    about: "as an owner: whether it waits for its borrowers' minimum run time too",
  },
  reclaimsMax: {
    field: 'reclaimsMax',
    kind: 'count',
    about: 'so often reclaimed, a server claims only what its project owns',
  },
  victimOrder: {
    field: 'victimOrder',
    kind: 'order',
    about: 'which of its servers, or of the projects below it, go first; the first rule that differs decides',
  },
  onReclaim: {
    field: 'onReclaim',
    kind: ['delete', 'stop'],
    about: 'as a borrower: what happens to its servers at the deadline; stopped ones start again when there is room',
  },
  shrink: {
    field: 'shrinkAfterMs',
    kind: 'duration or never',
    about: 'how long it may use more than a lowered limit before what is beyond it is taken back',
  },
  whenFull: {
    field: 'whenFull',
    kind: ['refuse', 'wait'],
    about: 'what a request that can wait gets when it does not fit: a no, or a place in line',
  },
  whenFullOf: {
    field: 'whenFullOf',
    kind: 'by resource',
    about: 'the same where one of these is missing, such as cores:wait,ram:refuse',
  },
  waitMax: { field: 'waitMaxMs', kind: 'duration', about: 'how long it stands in line before it is given up' },
}

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

const durationOf = (word: string, value: string): number => {
  const [, amount, unit] = /^(\d+)(ms|s|m|h)$/.exec(value) ?? []
  if (amount === undefined) throw new StartProblem(`"${word}" must be a duration such as 30s, 5m or 2h.`)
  return Number(amount) * units[unit!]!
}

/** As the API takes them. */
const victimRules = ['preferred', 'priority', 'newest', 'oldest', 'largest', 'smallest']

/** `priority,newest`. */
const orderOf = (word: string, value: string): string[] => {
  const rules = value.split(',')
  const wrong = rules.find(
    (rule, at) => !victimRules.includes(rule) || rules.indexOf(rule) < at,
  )
  if (wrong === undefined) return rules
  throw new StartProblem(`"${word}" must be some of ${victimRules.join(', ')}, each once, with commas between.`)
}

const patience = ['refuse', 'wait']

/** `cores:wait,ram:refuse`. */
const byResource = (word: string, value: string): Record<string, string> => {
  const pairs = value.split(',').map((pair) => /^(.+):([^:]+)$/.exec(pair)?.slice(1) ?? [])
  if (pairs.every(([, end]) => end !== undefined && patience.includes(end)))
    return Object.fromEntries(pairs) as Record<string, string>
  throw new StartProblem(`"${word}" must name resources with refuse or wait, such as cores:wait,ram:refuse.`)
}

const valueOf = (word: string, kind: Kind, value: string): unknown => {
  if (kind === 'duration or never' && value === 'never') return -1
  if (kind === 'duration' || kind === 'duration or never') return durationOf(word, value)
  if (kind === 'yes or no') {
    if (value === 'yes' || value === 'no') return value === 'yes'
    throw new StartProblem(`"${word}" must be yes or no.`)
  }
  if (kind === 'order') return orderOf(word, value)
  if (kind === 'by resource') return byResource(word, value)
  if (kind === 'count') {
    if (/^[1-9]\d*$/.test(value)) return Number(value)
    throw new StartProblem(`"${word}" must be a whole number of 1 or more.`)
  }
  if (kind.includes(value)) return value
  throw new StartProblem(`"${word}" must be one of ${kind.join(', ')}.`)
}

/** `grace=30s onReclaim=stop`, as the API takes it; `grace=inherit` is null. */
export const policyOf = (words: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(
    words.map((word) => {
      const [, name = '', value = ''] = /^([^=]+)=(.+)$/.exec(word) ?? []
      const known = policyWords[name]
      if (!known) {
        const names = Object.keys(policyWords).join(', ')
        throw new StartProblem(`"${word}" is nothing that can be set. What can, as name=value: ${names}.`)
      }
      return [known.field, value === 'inherit' ? null : valueOf(word, known.kind, value)]
    }),
  )

/** `90s`, `5m`: the largest unit that divides it. */
export const durationText = (ms: number): string => {
  const [unit, size] = Object.entries(units)
    .toReversed()
    .find(([, one]) => ms % one === 0 && ms >= one) ?? ['s', 1000]
  return `${ms / size}${unit}`
}

const valueText = (kind: Kind, value: unknown): string => {
  if (value === undefined) return '-'
  if (kind === 'duration or never' && value === -1) return 'never'
  if (kind === 'duration' || kind === 'duration or never') return durationText(Number(value))
  if (kind === 'yes or no') return value === true ? 'yes' : 'no'
  if (kind === 'by resource') return Object.entries(Object(value)).map((pair) => pair.join(':')).join(',')
  return String(value)
}

/** Name, value, whose it is and what it means. */
export const policyRows = ({ own, effective }: PolicyAnswer): [string, string, string, string][] =>
  Object.entries(policyWords).map(([name, { field, kind, about }]) => [
    name,
    valueText(kind, effective[field]),
    field in own ? 'set here' : 'inherited',
    about,
  ])
