/** What hosts keep for this cloud that no row wants: left by a crash, a move cut short, or an operator's force. */
import type { Executor } from '#platform/db/database.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { VolumeLeak } from '../facade.ts'
import type { StoredVolume, VolumeStore } from '../ports.ts'
import { backupFetch } from '../store/backups.ts'
import { snapshotFetch } from '../store/snapshots.ts'
import { volumeFetch } from '../store/volumes.ts'
import type { CinderParts } from './parts.ts'

interface Found extends VolumeLeak {
  store: VolumeStore
}

export class Leaks {
  readonly #parts: Pick<CinderParts, 'db' | 'hosts' | 'log'>
  constructor(parts: Pick<CinderParts, 'db' | 'hosts' | 'log'>) {
    this.#parts = parts
  }

  async find(): Promise<{ leaks: VolumeLeak[]; silent: string[] }> {
    const { found, silent } = await this.#look()
    return { leaks: found.map(({ host, kind, id, explanation }) => ({ host, kind, id, explanation })), silent }
  }

  /** Each is looked at once more: what a row came to want meanwhile stays. */
  async reap(): Promise<void> {
    const { found } = await this.#look()
    for (const leak of found) {
      if (await this.#isWanted(this.#parts.db, leak.host, leak)) continue
      if (leak.kind === 'volume') await leak.store.remove(leak.id)
      else await leak.store.snapshotRemove(leak.id)
    }
  }

  async #look(): Promise<{ found: Found[]; silent: string[] }> {
    const found: Found[] = []
    const silent: string[] = []
    for (const { name, volumes: store } of this.#parts.hosts.list()) {
      if (!store) continue
      const stored = await this.#listed(store, name)
      if (!stored) silent.push(name)
      for (const one of stored ?? []) {
        if (await this.#isWanted(this.#parts.db, name, one)) continue
        found.push({ host: name, kind: one.kind, id: one.id, explanation: explanationOf(one), store })
      }
    }
    return { found, silent }
  }

  async #listed(store: VolumeStore, host: string): Promise<StoredVolume[] | undefined> {
    try {
      return await store.list()
    } catch (error) {
      if (!isRefusal(error) || error.kind !== 'unavailable') throw error
      this.#parts.log.warn({ host, reason: error.message }, 'The volumes of a host could not be listed')
      return undefined
    }
  }

  async #isWanted(
    executor: Executor,
    host: string,
    { kind, id }: Pick<StoredVolume, 'kind' | 'id'>,
  ): Promise<boolean> {
    if (kind === 'snapshot') {
      // A backup holds its moment under its own id while it is made.
      const isHeld = (await backupFetch(executor, id))?.status === 'creating'
      return isHeld || (await snapshotFetch(executor, id))?.hostName === host
    }
    const volume = await volumeFetch(executor, id)
    if (!volume) return false
    const { task } = volume
    return volume.hostName === host || (task?.do === 'move' && (task.hostName === host || task.from === host))
  }
}

const explanationOf = ({ kind, usedBytes }: StoredVolume): string =>
  `a ${kind} of this cloud that no row has on this host, ${Math.ceil(usedBytes / 1024 ** 2)} MiB`
