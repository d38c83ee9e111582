/** `quaystone quota`: who owns, lends, borrows and uses what in a running cloud; changes, explains, supposes. */
import { Command } from 'commander'
import { defaultDataDir } from '../app/config.ts'
import { StartProblem } from '../app/data-dir.ts'
import { operatorSession } from './operator-session.ts'
import { explanationLines, isIdle, loanLines, playedLines, treeLines } from './quota-tables.ts'
import type { ExplanationAnswer, LoanRow, NameOf, Played, TreeRow } from './quota-tables.ts'
import { amountsOf, holdingOf, stepOf } from './quota-words.ts'

interface Flags {
  dataDir: string
  format: string
}
interface TreeFlags extends Flags {
  resource?: string[]
  all?: boolean
}

const quotaPath = '/quota/v1'

const command = (name: string, places: string, about: string): Command =>
  new Command(name)
    .arguments(places)
    .description(about)
    .option('--data-dir <path>', "the cloud's data directory", defaultDataDir(process.env))
    .option('-f, --format <format>', 'table or json', 'table')

const treeOptions = (tree: Command): Command =>
  tree.option('-r, --resource <name...>', 'only these').option('--all', 'also what nobody owns or uses')

export const quotaCommand = (): Command =>
  new Command('quota')
    .description('who owns, lends, borrows and uses what, in every project')
    .addCommand(
      treeOptions(command('tree', '[project]', 'show projects and their numbers, the parents first')).action(tree),
    )
    .addCommand(
      command('set', '<project> <resource> <settings...>', 'set own, pool, lend, borrow, ceiling, weight, tier')
        .option('--force', 'even below what is in use now')
        .addHelpText('after', '\nExample: quaystone quota set web instances own=8 lend=unlimited borrow=4')
        .action(set),
    )
    .addCommand(command('loans', '[project]', 'list who lends what to whom').action(loans))
    .addCommand(
      command('explain', '<project> <resource> <amount>', 'say what a request would get, and why').action(explain),
    )
    .addCommand(
      treeOptions(command('simulate', '<project> <steps...>', "play steps on a copy of the project's tree"))
        .addHelpText(
          'after',
          '\nSteps: claim:PROJECT:instances=4,cores=4  set:PROJECT:instances:own=8  release:SUBJECT',
        )
        .action(simulate),
    )

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

const chosen = (rows: TreeRow[], { resource, all }: TreeFlags): TreeRow[] =>
  rows.filter((row) => (resource ? resource.includes(row.resource) : all || !isIdle(row)))

async function tree(project: string | undefined, flags: TreeFlags): Promise<void> {
  const { ask, nameOf, idOf } = await openSession(flags)
  const query = project === undefined ? '' : `?project_id=${idOf(project)}`
  const rows = chosen((await ask<{ tree: TreeRow[] }>(`${quotaPath}/tree${query}`)).tree, flags)
  print(flags, rows, () => treeLines(rows, nameOf))
}

async function set(
  project: string,
  resource: string,
  settings: string[],
  flags: Flags & { force?: boolean },
): Promise<void> {
  const limits = { [resource]: holdingOf(settings) }
  const { ask, nameOf, idOf } = await openSession(flags)
  const id = idOf(project)
  await ask(`${quotaPath}/projects/${id}`, { method: 'PUT', body: { limits, force: flags.force ?? false } })
  const answer = await ask<{ tree: TreeRow[] }>(`${quotaPath}/tree?project_id=${id}`)
  const rows = answer.tree.filter((row) => row.project === id && row.resource === resource)
  print(flags, rows[0], () => treeLines(rows, nameOf))
}

async function loans(project: string | undefined, flags: Flags): Promise<void> {
  const { ask, nameOf, idOf } = await openSession(flags)
  const ids = project === undefined ? await rootsOf(ask) : [idOf(project)]
  const answers: LoanRow[] = []
  for (const id of ids) answers.push(...(await ask<{ loans: LoanRow[] }>(`${quotaPath}/projects/${id}/loans`)).loans)
  print(flags, answers, () => loanLines(answers, nameOf))
}

const rootsOf = async (ask: Session['ask']): Promise<string[]> => {
  const { tree: rows } = await ask<{ tree: TreeRow[] }>(`${quotaPath}/tree`)
  return [...new Set(rows.filter(({ depth }) => depth === 0).map((row) => row.project))]
}

async function explain(project: string, resource: string, amount: string, flags: Flags): Promise<void> {
  const amounts = amountsOf([`${resource}=${amount}`])
  const { ask, nameOf, idOf } = await openSession(flags)
  const path = `${quotaPath}/projects/${idOf(project)}/explain`
  const { explanation } = await ask<{ explanation: ExplanationAnswer }>(path, { method: 'POST', body: { amounts } })
  print(flags, explanation, () => explanationLines(explanation, nameOf))
}

async function simulate(project: string, words: string[], flags: TreeFlags): Promise<void> {
  const { ask, nameOf, idOf } = await openSession(flags)
  const steps = words.map((word) => stepOf(word, idOf))
  const path = `${quotaPath}/projects/${idOf(project)}/simulate`
  const answer = await ask<{ results: Played[]; tree: TreeRow[] }>(path, { method: 'POST', body: { steps } })
  const rows = chosen(answer.tree, flags)
  print(flags, { results: answer.results, tree: rows }, () => [
    ...words.flatMap((word, index) => playedLines(word, answer.results[index]!, nameOf)),
    '',
    ...treeLines(rows, nameOf),
  ])
}
