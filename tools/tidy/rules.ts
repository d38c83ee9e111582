/** The house rules that no linter knows, each a function from the files to its breaches. */
import { basename, dirname } from 'node:path'
import type { SourceFile } from './files.ts'
import type { Violation } from './violation.ts'

type Check = (files: readonly SourceFile[]) => Violation[]

const columnsMax = 120
const filesInFolderMax = 40
/** Every service has these two; the other rooms it opens as it needs them. */
const requiredRooms = ['service.ts', 'facade.ts']
const knownRooms = new Set([
  ...requiredRooms,
  'ports.ts',
  'policies.ts',
  'api',
  'manager',
  'store',
  'states',
  'controllers',
  'heat',
  'testing',
])

interface BannedWord {
  readonly pattern: RegExp
  readonly instead: string
  /** Paths where the word is at home. */
  readonly except?: RegExp
}

const tests =
  /\.(?:test|contract)\.ts$|\/testing\/|testing(?:-[a-z]+)?\.ts$|-(?:suite|conformance)\.ts$|\/suite-[^/]*\.ts$/
const outsideServer = /^(?:tools|contract|bench)\//
const bannedWords: readonly BannedWord[] = [
  {
    pattern: /\bnew Date\(\)/,
    instead: 'borrow the Clock (platform/clock)',
    except: new RegExp(`platform/clock/|${outsideServer.source}|${tests.source}`),
  },
  { pattern: /\b(?:TODO|FIXME|XXX)\b(?!.*: .{12})/, instead: 'say why it is open, after a colon, or do it' },
  { pattern: /\b(?:white|black)list/i, instead: 'allow list, deny list' },
  { pattern: /\b(?:obviously|simply put|as everyone knows)\b/i, instead: 'the reason' },
  { pattern: /\bfrom '(?:[^']*\/)?index\.ts'/, instead: 'the file that holds the thing' },
  { pattern: /^\s*\/\/ (?:eslint|oxlint)-disable(?!.* -- \S)/, instead: 'a disable with " -- reason"' },
]

const at = (rule: string, file: string, line: number, message: string): Violation => ({ rule, file, line, message })

const header: Check = (files) =>
  files
    .filter(({ lines }) => !/^\/\*\* \S/.test(lines[0] ?? ''))
    .map(({ path }) =>
      at('header', path, 1, 'The first line says in one sentence what the file holds and why: /** … */'),
    )

const columns: Check = (files) =>
  files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) =>
      line.length > columnsMax
        ? [at('columns', path, index + 1, `${line.length} columns; ${columnsMax} at most.`)]
        : [],
    ),
  )

const words: Check = (files) => files.flatMap(wordsIn)

function wordsIn({ path, lines }: SourceFile): Violation[] {
  if (path.startsWith('tools/tidy/')) return [] // the list itself
  const applicable = bannedWords.filter(({ except }) => except === undefined || !except.test(path))
  return lines.flatMap((line, index) =>
    applicable.flatMap(({ pattern, instead }) => {
      const found = pattern.exec(line)
      return found === null ? [] : [at('words', path, index + 1, `"${found[0].trim()}": write ${instead}.`)]
    }),
  )
}

const names: Check = (files) =>
  files.flatMap(({ path }) => {
    const stem = basename(path).replace(/\.tsx?$/, '')
    if (/^(?:utils?|helpers?|common|misc|index)$/.test(stem))
      return [at('names', path, 1, `"${stem}" says nothing; name the noun or the loop.`)]
    return /^[a-z0-9]+(?:[-.][a-z0-9]+)*$/.test(stem) ? [] : [at('names', path, 1, 'File names are kebab-case.')]
  })

const folders: Check = (files) => {
  const byFolder = Map.groupBy(
    files.filter(({ path }) => !tests.test(path)),
    ({ path }) => dirname(path),
  )
  return [...byFolder]
    .filter(([, inside]) => inside.length > filesInFolderMax)
    .map(([folder, inside]) =>
      at('folders', folder, 1, `${inside.length} files; split what has more than ${filesInFolderMax}.`),
    )
}

const rooms: Check = (files) => {
  const inServices = files
    .map(({ path }) => path.split('/services/')[1]?.split('/'))
    .filter((parts) => parts !== undefined)
  const byService = Map.groupBy(
    inServices.filter((parts) => parts.length > 1),
    ([service]) => service!,
  )
  return [...byService].flatMap(([service, paths]) => roomsOf(service, new Set(paths.map((parts) => parts[1]!))))
}

function roomsOf(service: string, found: ReadonlySet<string>): Violation[] {
  const folder = `packages/server/src/services/${service}`
  const missing = requiredRooms
    .filter((room) => !found.has(room))
    .map((room) => at('rooms', folder, 1, `${room} is missing.`))
  const strange = [...found].filter((room) => !knownRooms.has(room) && !tests.test(room))
  return [
    ...missing,
    ...strange.map((room) =>
      at('rooms', folder, 1, `"${room}" is no room of a service: ${[...knownRooms].join(', ')}.`),
    ),
  ]
}

export const tidyRules: Readonly<Record<string, Check>> = { header, columns, words, names, folders, rooms }
