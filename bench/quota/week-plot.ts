/** Draws the simulated week as plain SVG, for light pages and dark ones. */
import type { Summary } from '../quota-week.bench.ts'
import { capacity, stepMinutes } from './week.ts'

const width = 880
const left = 56
const right = 20
const plotTop = 76
const plotHeight = 220
const barsTop = plotTop + plotHeight + 86
const rowHeight = 22
const hoursShown = 2

/** Told apart by those who do not see all colours as well, and visible on white and on black. */
const colours = ['#8c8c8c', '#3b8fd1', '#e08a00', '#16a37a']

/** Lines that lie on each other show as bands within bands. */
const widths = [2, 8, 5, 2]

const style = `
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 17px; font-weight: 600 }
  .small { font-size: 11px; fill: #57606a }
  .page { fill: #ffffff }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .track { fill: #eaeef2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .page { fill: #0d1117 }
    .grid { stroke: #30363d }
    .track { fill: #21262d }
  }
`

const text = (x: number, y: number, content: string, more = ''): string =>
  `<text x="${x}" y="${y}"${more && ` ${more}`}>${content}</text>`

const plotWidth = width - left - right
const xOf = (share: number): number => left + share * plotWidth
const yOf = (share: number): number => plotTop + (1 - share) * plotHeight

/** Means over two hours each, so that a week is a line and not a hedge. */
const smoothed = (values: readonly number[]): number[] => {
  const size = (hoursShown * 60) / stepMinutes
  return Array.from({ length: Math.floor(values.length / size) }, (_, index) => {
    const part = values.slice(index * size, (index + 1) * size)
    return part.reduce((sum, value) => sum + value, 0) / part.length
  })
}

const line = ({ usedAt, title }: Summary, index: number): string => {
  const values = smoothed(usedAt)
  const points = values.map(
    (value, at) => `${xOf((at + 0.5) / values.length).toFixed(1)},${yOf(value / capacity).toFixed(1)}`,
  )
  return (
    `<polyline points="${points.join(' ')}" fill="none" stroke="${colours[index]}" stroke-width="${widths[index]}" ` +
    `stroke-linejoin="round"><title>${title}</title></polyline>`
  )
}

const grid = (): string[] => [
  ...[0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<line class="grid" x1="${left}" x2="${width - right}" y1="${yOf(share)}" y2="${yOf(share)}"/>`,
    text(left - 8, yOf(share) + 4, `${share * 100} %`, 'class="small" text-anchor="end"'),
  ]),
  ...Array.from({ length: 7 }, (_, day) =>
    text(xOf((day + 0.5) / 7), plotTop + plotHeight + 18, `day ${day + 1}`, 'class="small" text-anchor="middle"'),
  ),
]

const legend = (summaries: readonly Summary[]): string[] =>
  summaries.flatMap(({ title }, index) => {
    const x = left + index * 120
    return [`<rect x="${x}" y="48" width="18" height="4" rx="2" fill="${colours[index]}"/>`, text(x + 26, 54, title)]
  })

interface Panel {
  title: string
  valueOf: (summary: Summary) => number
  shown: (value: number) => string
}

const panels: Panel[] = [
  { title: 'capacity in use', valueOf: (one) => one.usedShare, shown: (value) => `${(100 * value).toFixed(1)} %` },
  {
    title: 'mean wait of all jobs',
    valueOf: (one) => one.waitMeanMinutes,
    shown: (value) => `${value.toFixed(0)} min`,
  },
  {
    title: 'own part: longest wait',
    valueOf: (one) => one.entitledWorstMinutes,
    shown: (value) => `${value} min`,
  },
  { title: 'evictions', valueOf: (one) => one.evictions, shown: (value) => value.toLocaleString('en') },
]

const panelWidth = (width - left - right) / panels.length

const bars = (summaries: readonly Summary[], { title, valueOf, shown }: Panel, column: number): string[] => {
  const x = left + column * panelWidth,
    room = panelWidth - 84
  const most = Math.max(1e-9, ...summaries.map(valueOf))
  return [
    text(x, barsTop - 12, title),
    ...summaries.flatMap((summary, index) => {
      const y = barsTop + index * rowHeight,
        value = valueOf(summary)
      return [
        `<rect class="track" x="${x}" y="${y}" width="${room}" height="12" rx="3"/>`,
        `<rect x="${x}" y="${y}" width="${((room * value) / most).toFixed(1)}" height="12" rx="3" ` +
          `fill="${colours[index]}"><title>${summary.title}</title></rect>`,
        text(x + room + 6, y + 10, shown(value), 'class="small"'),
      ]
    }),
  ]
}

export const drawWeek = (summaries: readonly Summary[]): string => {
  const height = barsTop + summaries.length * rowHeight + 16
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      `role="img" aria-label="Use of capacity by 200 tenants in a simulated week under four regimes">`,
    `<style>${style}</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    text(left, 28, '200 tenants, one week, 2,000 units: how much of the capacity is in use', 'class="title"'),
    ...legend(summaries),
    ...grid(),
    ...summaries.map(line),
    ...panels.flatMap((panel, column) => bars(summaries, panel, column)),
    '</svg>',
    '',
  ].join('\n')
}
