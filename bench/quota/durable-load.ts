/** Callers that reserve again and again, each waiting for its answer, and what that comes to. */
import { eachAtATime } from '../support/statistics.ts'
import { randomOf } from './forest.ts'
import type { Take } from './durable-ways.ts'

export interface Load {
  done: number
  tookMs: number
  /** Of each, in no order. */
  waitsMs: number[]
  /** User and system CPU of the processes that asked, ms. */
  cpuMs: number
}

export interface LoadSettings {
  /** So many callers at once. */
  callers: number
  seconds: number
  leaves: readonly string[]
  /** Begins the subjects, and the random choice of leaves. */
  run: string
}

/** A quarter of the time first, of which nothing is counted: statements are prepared, code is compiled. */
export const loadWith = async (take: Take, settings: LoadSettings): Promise<Load> => {
  await callFor(take, { ...settings, run: `warm ${settings.run}`, seconds: settings.seconds / 4 })
  return callFor(take, settings)
}

const callFor = async (take: Take, { callers, seconds, leaves, run }: LoadSettings): Promise<Load> => {
  const random = randomOf([...run].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, callers)),
    startedMs = performance.now(),
    cpu = process.cpuUsage(),
    waitsMs: number[] = []
  let asked = 0
  await eachAtATime(Array.from({ length: callers }), callers, async () => {
    while (performance.now() < startedMs + seconds * 1000) {
      const askedMs = performance.now()
      await take(`${run} ${asked++}`, leaves[Math.floor(random() * leaves.length)]!)
      waitsMs.push(performance.now() - askedMs)
    }
  })
  const { user, system } = process.cpuUsage(cpu)
  return { done: waitsMs.length, tookMs: performance.now() - startedMs, waitsMs, cpuMs: (user + system) / 1000 }
}

/** Loads of several processes at the same time. */
export const loadsTogether = (loads: readonly Load[]): Load => ({
  done: loads.reduce((sum, { done }) => sum + done, 0),
  tookMs: Math.max(...loads.map(({ tookMs }) => tookMs)),
  waitsMs: loads.flatMap(({ waitsMs }) => waitsMs),
  cpuMs: loads.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
})

export const perSecondOf = ({ done, tookMs }: Load): number => (done * 1000) / tookMs

/** The wait that so many of a hundred do not exceed, ms. */
export const waitAt = (percent: number, { waitsMs }: Load): number =>
  [...waitsMs].sort((a, b) => a - b)[Math.floor(((waitsMs.length - 1) * percent) / 100)] ?? 0
