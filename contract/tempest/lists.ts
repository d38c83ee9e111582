/** The lists of tempest tests: what `<service>.pass` names must pass, `<service>.skip` gives a reason on each line. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface TestList {
  readonly service: string
  readonly pass: readonly string[]
  /** Test → why it is not run. */
  readonly skip: ReadonlyMap<string, string>
}

/** The tests that a service's two lists must cover between them: none is forgotten. */
export const families: Readonly<Record<string, string>> = {
  identity: String.raw`^tempest\.api\.identity\.(?:admin\.)?v3\.`,
  image: String.raw`^tempest\.api\.image\.v2\.`,
  compute: String.raw`^tempest\.api\.compute\.(?:flavors|keypairs|servers|test_versions)`,
  volume: String.raw`^tempest\.api\.volume\.`,
  network: String.raw`^tempest\.api\.network\.`,
  scenario: String.raw`^tempest\.scenario\.`,
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))

function readSkips(path: string): Map<string, string> {
  return new Map(
    linesOf(readFileSync(path, 'utf8')).map((line) => {
      const [name, reason] = line.split(/\s+# /)
      if (name === undefined || reason === undefined)
        throw new Error(`${path}: "${line}" needs a reason: NAME  # why`)
      return [name, reason]
    }),
  )
}

/** Empty when there is no list yet. */
export function readPass(service: string): string[] {
  const path = join(import.meta.dirname, `${service}.pass`)
  return existsSync(path) ? linesOf(readFileSync(path, 'utf8')) : []
}

export const readLists = (services: readonly string[]): TestList[] =>
  services.map((service) => ({
    service,
    pass: readPass(service),
    skip: readSkips(join(import.meta.dirname, `${service}.skip`)),
  }))
