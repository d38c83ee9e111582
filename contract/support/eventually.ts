/** Waits for a state, never for time: tries until it holds, with a bound, and fails with the last reason. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface Patience {
  readonly timeoutMs: number
  readonly everyMs?: number
}

export async function eventually<T>(patience: Patience, attempt: () => Promise<T> | T): Promise<T> {
  const endMs = Date.now() + patience.timeoutMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > endMs) throw error
      await sleep(patience.everyMs ?? 100)
    }
  }
}
