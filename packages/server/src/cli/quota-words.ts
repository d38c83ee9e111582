/** What a person types after `quaystone quota`, as the quota API takes it: amounts, holdings, steps to suppose. */
import { StartProblem } from '../app/data-dir.ts'

export type Amounts = Record<string, number>
export type Holding = Record<string, number | null>
export type Step =
  | { set: { project_id: string; resource: string; holding: Holding } }
  | { claim: { project_id: string; amounts: Amounts } }
  | { release: { subject: string } }

const holdingKeys = ['own', 'pool', 'lend', 'borrow', 'ceiling', 'weight', 'tier']

const pairOf = (word: string): [key: string, value: string] => {
  const [, key, value] = /^([^=]+)=(.+)$/.exec(word) ?? []
  if (key === undefined || value === undefined) throw new StartProblem(`"${word}" must look like name=value.`)
  return [key, value]
}

/** `unlimited` is −1, as everywhere in OpenStack. */
const amountOf = (word: string, value: string): number => {
  if (value === 'unlimited') return -1
  if (!/^(-1|\d+)$/.test(value)) {
    throw new StartProblem(`"${word}" must end in a whole number that is not negative, or in "unlimited".`)
  }
  return Number(value)
}

/** `instances=4 cores=8`. */
export const amountsOf = (words: readonly string[]): Amounts =>
  Object.fromEntries(
    words.map((word) => {
      const [resource, value] = pairOf(word)
      return [resource, amountOf(word, value)]
    }),
  )

/** `lend=0 weight=3`: of a project's own containers, whose own part is what is left. */
export const selfHoldingOf = (words: readonly string[]): Holding =>
  holdingOf(
    words,
    holdingKeys.filter((key) => key !== 'own' && key !== 'pool'),
  )

/** `own=8 lend=unlimited ceiling=none`. */
export const holdingOf = (words: readonly string[], keys: readonly string[] = holdingKeys): Holding =>
  Object.fromEntries(
    words.map((word) => {
      const [key, value] = pairOf(word)
      if (!keys.includes(key)) {
        throw new StartProblem(`"${key}" is nothing that can be set. What can: ${keys.join(', ')}.`)
      }
      return [key, key === 'ceiling' && value === 'none' ? null : amountOf(word, value)]
    }),
  )

const stepForms =
  '"claim:PROJECT:instances=4,cores=4", "claim:PROJECT:instances=1:x12", "set:PROJECT:instances:own=8,borrow=4" ' +
  'or "release:SUBJECT"'

/** The API plays no more. */
const timesMax = 1_000

const timesOf = (word: string, times: string | undefined): number => {
  const count = Number(times ?? 1)
  if (count >= 1 && count <= timesMax) return count
  throw new StartProblem(`"${word}" must be played 1 to ${timesMax} times.`)
}

/** What one word of a simulation plays, as often as it says; `idOf` turns a project's name into its id. */
export const stepsOf = (word: string, idOf: (project: string) => string): Step[] => {
  const claim = /^claim:(.+?):([^:]+=[^:]+)(?::x(\d+))?$/.exec(word)
  if (claim) {
    const step = { claim: { project_id: idOf(claim[1]!), amounts: amountsOf(claim[2]!.split(',')) } }
    return Array.from({ length: timesOf(word, claim[3]) }, () => step)
  }
  const set = /^set:(.+):([^:]+):([^:]+)$/.exec(word)
  if (set) {
    return [{ set: { project_id: idOf(set[1]!), resource: set[2]!, holding: holdingOf(set[3]!.split(',')) } }]
  }
  const release = /^release:(.+)$/.exec(word)
  if (release) return [{ release: { subject: release[1]! } }]
  throw new StartProblem(`"${word}" is no step. Steps look like ${stepForms}.`)
}

/** A list cut into pieces as long as those of another. */
export const sharesOf = <T>(list: readonly T[], pieces: readonly (readonly unknown[])[]): T[][] => {
  let at = 0
  return pieces.map(({ length }) => list.slice(at, (at += length)))
}
