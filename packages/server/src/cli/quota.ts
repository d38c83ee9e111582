/** `quaystone quota`: who owns, lends, borrows and uses what in a running cloud; changes, explains, remembers. */
import { Command } from 'commander'
import { defaultDataDir } from '../app/config.ts'
import { StartProblem } from '../app/data-dir.ts'
import { operatorSession } from './operator-session.ts'
import { choose, resourcesOf, restingLines } from './quota-choice.ts'
import { historyLines, waitingLines } from './quota-history.ts'
import type { HappeningRow, WaitingRow } from './quota-history.ts'
import { policyOf, policyRows, policyWords } from './quota-policy.ts'
import type { PolicyAnswer } from './quota-policy.ts'
import { explanationLines, loanLines, playedLines, selfLines, tableOf, treeLines } from './quota-tables.ts'
import type { ExplanationAnswer, LoanRow, NameOf, Played, TreeRow } from './quota-tables.ts'
import { amountsOf, holdingOf, selfHoldingOf, sharesOf, stepsOf } from './quota-words.ts'

interface Flags {
  dataDir: string
  format: string
}
interface TreeFlags extends Flags {
  resource?: string[]
  all?: boolean
}
interface SetFlags extends Flags {
  force?: boolean
  self?: boolean
}
interface HistoryFlags extends Flags {
  kind?: string[]
  resource?: string
  subject?: string
  since?: string
  until?: string
  limit: string
}

const quotaPath = '/quota/v1'

/** Columns of the terminal; 0 where the output goes to a file or another program, which has no width. */
const width = (): number => process.stdout.columns ?? 0

const command = (name: string, places: string, about: string): Command =>
  new Command(name)
    .arguments(places)
    .description(about)
    .option('--data-dir <path>', "the cloud's data directory", defaultDataDir(process.env))
    .option('-f, --format <format>', 'table or json', 'table')

const treeOptions = (tree: Command): Command =>
  tree.option('-r, --resource <name...>', 'only these').option('--all', 'also what nobody uses or deals out')

const words = `
How a project holds a resource (-1 or "unlimited" for no limit):
  own      what it is guaranteed; the parts of a parent's children come out of the parent's own
  pool     the part of its own that is given to nobody and shared by weight below it
  lend     how much of what it does not use others may use
  borrow   how much it may use beyond its own, of what others lend or share
  ceiling  a hard cap on everything below it; "none": own + borrow
  weight   its share of a pool, next to its siblings
  tier     1 to 10: a better tier is served first

"openstack quota set" sets one number, which clients read back: own where a project neither borrows nor has a ceiling,
own + borrow where it borrows so much, the ceiling where it has one or borrows without limit.`

const setHelp = `${words}

Examples:
  quaystone quota set web instances own=8 lend=unlimited borrow=4   owns 8, lends them, may borrow 4
  quaystone quota set org cores own=64 pool=64                      shares 64 by weight below it
  quaystone quota set web instances own=2 --force                   even below what is in use: nobody is ended
  quaystone quota set org cores weight=3 ceiling=8 --self           its own containers, beside those of its children`

const resetHelp = `
What was granted returns to the parent, and nobody is ended; refused while its children still hold a part of it. A root
has what is registered as the default. A limit of Keystone is deleted there.

Examples: quaystone quota reset web
          quaystone quota reset web -r cores ram`

const loansHelp = `
Whoever lends or borrows in the project or below it; without a project, everybody. FROM says what is lent: the lender's
own idle part, or its pool, which nobody owns (a project with children may use its own pool as well). STATE is lent,
called back (CALLED BACK says how much of what the borrower uses beyond its own), or overdue. SINCE is when the oldest
that lives on it started.`

const waitingHelp = `
PLACE is among all who wait in the same tree: 1 is served next. KEPT FOR IT has been gathered and is nobody else's.
UNTIL is when it is given up; "served": it waits as long as it takes. Who waits at all is a policy: whenFull, whenFullOf
and waitMax in "quaystone quota policy --help".`

const treeHelp = `
Columns: OWN, POOL, LEND, BORROW, CEILING, WEIGHT and TIER are settings (see "quaystone quota set --help"); LIMIT is
what OpenStack's clients see; IN USE and RESERVED are the project's own, without what is below it; GRANTED went to its
children; FREE is what OWN has left of all three, below 0 in debt; LENT and BORROWED are loans of now; DESERVED is its
fair part now; AVAILABLE is what it could get at once. Resources of which nothing is used or dealt out are left out
(--all). A narrow terminal shows fewer columns, -f json all of them.`

const policyHelp = `
Without settings: shows what holds for the project, and what of it is inherited. NAME=inherit: as the parent has it.
${Object.entries(policyWords)
  .map(([name, { kind, about }]) => `  ${name.padEnd(12)} ${Array.isArray(kind) ? kind.join(' | ') : kind}: ${about}`)
  .join('\n')}

The order is made of preferred (offered by its owner), priority (the lower one), newest, oldest, largest and smallest
(of what is missing; the largest first takes the fewest). Between equals the newest goes. Never more than is needed.

Examples: quaystone quota policy web grace=2m onReclaim=stop
          quaystone quota policy org victimOrder=priority,largest,newest whenFull=wait
          quaystone quota policy web grace=inherit whenFullOf=cores:refuse`

const historyHelp = `
Kinds: granted, lent, released, cancelled, expired, refused, recalled, spared, gathered, settings, policy, repaired,
forgotten, inherited, moved, waiting, waitEnded.

Example: quaystone quota history web --kind refused recalled --since 2026-11-23T08:00:00Z`

const history = (): Command =>
  command('history', '[project]', 'what happened: grants, loans, refusals, reclaims, settings; the newest first')
    .option('-k, --kind <kind...>', 'only these kinds')
    .option('-r, --resource <name>', 'only what is about this resource')
    .option('--subject <subject>', 'only about this, such as nova:server:<id>')
    .option('--since <moment>', 'from this moment on')
    .option('--until <moment>', 'before this moment')
    .option('-n, --limit <number>', 'rows at most', '50')
    .addHelpText('after', historyHelp)
    .action(showHistory)

const simulateHelp = `
Steps: claim:PROJECT:instances=4,cores=4       one that asks for all of it at once
       claim:PROJECT:instances=1,cores=1:x12   twelve that ask for so much each, as twelve servers do
       set:PROJECT:instances:own=8
       release:SUBJECT
Whoever would be given notice goes at once. What is claimed here may be taken back, as a server may, but only whole.

Example: quaystone quota simulate org set:web:instances:own=12 claim:shop:instances=1:x8 claim:web:instances=12`

export const quotaCommand = (): Command =>
  new Command('quota')
    .description('who owns, lends, borrows and uses what, in every project')
    .addHelpText('after', words)
    .addCommand(
      treeOptions(command('tree', '[project]', 'show projects and their numbers, resource by resource'))
        .addHelpText('after', treeHelp)
        .action(tree),
    )
    .addCommand(
      command('set', '<project> <resource> <settings...>', 'set own, pool, lend, borrow, ceiling, weight, tier')
        .option('--force', 'even below what is in use now')
        .option('--self', "for a project's own containers, beside those of its children")
        .addHelpText('after', setHelp)
        .action(set),
    )
    .addCommand(
      command('reset', '<project>', 'return what was granted, and every setting, to the defaults')
        .option('-r, --resource <name...>', 'only these')
        .addHelpText('after', resetHelp)
        .action(reset),
    )
    .addCommand(
      command('policy', '<project> [settings...]', 'show or set how loans come back')
        .addHelpText('after', policyHelp)
        .action(policy),
    )
    .addCommand(
      command('loans', '[project]', 'list who lends what to whom').addHelpText('after', loansHelp).action(loans),
    )
    .addCommand(
      command('explain', '<project> <amounts...>', 'say what a request would get, and why')
        .addHelpText('after', '\nExample: quaystone quota explain web instances=1 cores=2 ram=512')
        .action(explain),
    )
    .addCommand(
      treeOptions(command('simulate', '<project> <steps...>', "play steps on a copy of the project's tree"))
        .addHelpText('after', simulateHelp)
        .action(simulate),
    )
    .addCommand(
      command('waiting', '<project>', 'list the requests that stand in line, the next one first')
        .addHelpText('after', waitingHelp)
        .action(waiting),
    )
    .addCommand(history())

interface Session {
  ask: Awaited<ReturnType<typeof operatorSession>>
  nameOf: NameOf
  idOf: (project: string) => string
}

/** Projects go by name here where that is unambiguous, and by id always. */
const openSession = async ({ dataDir, format }: Flags): Promise<Session> => {
  if (format !== 'table' && format !== 'json') throw new StartProblem(`--format is table or json, not "${format}".`)
  const ask = await operatorSession(dataDir)
  const { projects } = await ask<{ projects: { id: string; name: string }[] }>('/identity/v3/projects')
  const names = new Map(projects.map(({ id, name }) => [id, name]))
  const idOf = (wanted: string): string => {
    if (names.has(wanted)) return wanted
    const [found, another] = projects.filter(({ name }) => name === wanted)
    if (!found) throw new StartProblem(`There is no project "${wanted}".`)
    if (another) throw new StartProblem(`Several projects are called "${wanted}": name one by its id.`)
    return found.id
  }
  return { ask, nameOf: (id) => names.get(id) ?? id, idOf }
}

const print = ({ format }: Flags, answer: unknown, lines: () => string[]): void => {
  process.stdout.write(`${format === 'json' ? JSON.stringify(answer, null, 2) : lines().join('\n')}\n`)
}

async function tree(project: string | undefined, flags: TreeFlags): Promise<void> {
  const { ask, nameOf, idOf } = await openSession(flags)
  const query = project === undefined ? '' : `?project_id=${idOf(project)}`
  const chosen = choose((await ask<{ tree: TreeRow[] }>(`${quotaPath}/tree${query}`)).tree, flags)
  print(flags, chosen.rows, () => [...treeLines(chosen.rows, nameOf, width()), ...restingLines(chosen)])
}

async function set(
  project: string,
  resource: string,
  settings: string[],
  flags: SetFlags,
): Promise<void> {
  const limits = { [resource]: flags.self ? { self: selfHoldingOf(settings) } : holdingOf(settings) }
  const { ask, nameOf, idOf } = await openSession(flags)
  const id = idOf(project)
  await ask(`${quotaPath}/projects/${id}`, { method: 'PUT', body: { limits, force: flags.force ?? false } })
  const answer = await ask<{ tree: TreeRow[] }>(`${quotaPath}/tree?project_id=${id}`)
  const rows = answer.tree.filter((row) => row.project === id && row.resource === resource)
  print(flags, rows[0], () => (flags.self ? selfLines(rows[0]!, nameOf) : treeLines(rows, nameOf, width())))
}

async function reset(project: string, flags: Flags & { resource?: string[] }): Promise<void> {
  const { ask, nameOf, idOf } = await openSession(flags)
  const id = idOf(project),
    query = new URLSearchParams((flags.resource ?? []).map((name): [string, string] => ['resource', name]))
  await ask(`${quotaPath}/projects/${id}?${query}`, { method: 'DELETE' })
  const { tree: rows } = await ask<{ tree: TreeRow[] }>(`${quotaPath}/tree?project_id=${id}`)
  const its = rows.filter((row) => row.project === id && (flags.resource?.includes(row.resource) ?? true))
  print(flags, its, () => treeLines(its, nameOf, width()))
}

async function policy(project: string, settings: string[], flags: Flags): Promise<void> {
  const change = policyOf(settings)
  const { ask, idOf } = await openSession(flags)
  const path = `${quotaPath}/projects/${idOf(project)}/policy`
  if (settings.length > 0) await ask(path, { method: 'PUT', body: { policy: change } })
  const { policy: answer } = await ask<{ policy: PolicyAnswer }>(path)
  print(flags, answer, () => tableOf(['POLICY', 'VALUE', 'FROM', 'MEANS'], policyRows(answer)))
}

async function showHistory(project: string | undefined, flags: HistoryFlags): Promise<void> {
  const { ask, nameOf, idOf } = await openSession(flags)
  const query = new URLSearchParams({
    limit: flags.limit,
    ...(project !== undefined && { project_id: idOf(project) }),
  })
  for (const name of ['resource', 'subject', 'since', 'until'] as const) {
    const value = flags[name]
    if (value !== undefined) query.set(name, value)
  }
  for (const kind of flags.kind ?? []) query.append('kind', kind)
  const { history: rows } = await ask<{ history: HappeningRow[] }>(`${quotaPath}/history?${query}`)
  print(flags, rows, () => historyLines(rows, nameOf, width()))
}

async function loans(project: string | undefined, flags: Flags): Promise<void> {
  const { ask, nameOf, idOf } = await openSession(flags)
  const ids = project === undefined ? await rootsOf(ask) : [idOf(project)]
  const answers: LoanRow[] = []
  for (const id of ids) answers.push(...(await ask<{ loans: LoanRow[] }>(`${quotaPath}/projects/${id}/loans`)).loans)
  print(flags, answers, () => loanLines(answers, nameOf))
}

async function waiting(project: string, flags: Flags): Promise<void> {
  const { ask, nameOf, idOf } = await openSession(flags)
  const path = `${quotaPath}/projects/${idOf(project)}/waiting`
  const { waiting: rows } = await ask<{ waiting: WaitingRow[] }>(path)
  print(flags, rows, () => waitingLines(rows, nameOf))
}

const rootsOf = async (ask: Session['ask']): Promise<string[]> => {
  const { tree: rows } = await ask<{ tree: TreeRow[] }>(`${quotaPath}/tree`)
  return [...new Set(rows.filter(({ depth }) => depth === 0).map((row) => row.project))]
}

/** `instances=4 cores=4`, or one resource and its amount: `instances 4`. */
const askedOf = ([first = '', second, ...more]: readonly string[]): Record<string, number> =>
  second !== undefined && more.length === 0 && !first.includes('=')
    ? amountsOf([`${first}=${second}`])
    : amountsOf([first, ...(second === undefined ? [] : [second]), ...more])

async function explain(project: string, asked: string[], flags: Flags): Promise<void> {
  const amounts = askedOf(asked)
  const { ask, nameOf, idOf } = await openSession(flags)
  const path = `${quotaPath}/projects/${idOf(project)}/explain`
  const { explanation } = await ask<{ explanation: ExplanationAnswer }>(path, { method: 'POST', body: { amounts } })
  print(flags, explanation, () => explanationLines(explanation, nameOf))
}

async function simulate(project: string, steps: string[], flags: TreeFlags): Promise<void> {
  const { ask, nameOf, idOf } = await openSession(flags)
  const parts = steps.map((word) => stepsOf(word, idOf)),
    played = parts.flat()
  const path = `${quotaPath}/projects/${idOf(project)}/simulate`
  const answer = await ask<{ results: Played[]; tree: TreeRow[] }>(path, { method: 'POST', body: { steps: played } })
  const { rows } = choose(answer.tree, { resource: resourcesOf(played), ...flags })
  print(flags, { results: answer.results, tree: rows }, () => [
    ...sharesOf(answer.results, parts).flatMap((results, index) => playedLines(steps[index]!, results, nameOf)),
    '',
    ...treeLines(rows, nameOf, width()),
  ])
}
