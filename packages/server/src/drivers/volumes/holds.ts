/** Which volume is plugged into which workload of this host: written before anything is done, kept through reboots. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { VolumePlug } from '#services/cinder/ports.ts'

export type Hold = VolumePlug

export class Holds {
  readonly #folder: string
  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  list(): Hold[] {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(this.#folder, name), 'utf8')) as Hold)
  }

  ofVolume = (volumeId: string): Hold[] => this.list().filter((hold) => hold.volumeId === volumeId)
  ofWorkload = (workloadId: string): Hold[] => this.list().filter((hold) => hold.workloadId === workloadId)

  find({ volumeId, workloadId }: Pick<Hold, 'volumeId' | 'workloadId'>): Hold | undefined {
    return this.ofVolume(volumeId).find((hold) => hold.workloadId === workloadId)
  }

  write(hold: Hold): void {
    const path = this.#pathOf(hold)
    const text = JSON.stringify(hold)
    if (JSON.stringify(this.find(hold)) === text) return
    writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true })
    renameSync(`${path}.new`, path)
  }

  remove(hold: Pick<Hold, 'volumeId' | 'workloadId'>): void {
    rmSync(this.#pathOf(hold), { force: true })
  }

  #pathOf({ volumeId, workloadId }: Pick<Hold, 'volumeId' | 'workloadId'>): string {
    return join(this.#folder, `${volumeId}.${workloadId}.json`)
  }
}
