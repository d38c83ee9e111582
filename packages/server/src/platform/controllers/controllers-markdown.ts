/** The page `docs/controllers.md`: the same list that the status page and the CLI show, without the numbers. */
import type { AnyController } from './controller.ts'

export function controllersMarkdown(controllers: readonly AnyController[]): string {
  const rows = [...controllers].sort((a, b) => a.name.localeCompare(b.name)).map(row)
  return [
    '| controller | makes true | wakes on | every | per pass | at once |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function row({ name, about, wakesOn, everySeconds, perPass, concurrency = 1 }: AnyController): string {
  const patterns = wakesOn.map((pattern) => `\`${pattern}\``).join(', ')
  return `| \`${name}\` | ${about} | ${patterns} | ${everySeconds} s | ${perPass} | ${concurrency} |`
}
