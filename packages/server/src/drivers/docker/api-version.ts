/** Which version of the engine's API to speak: the newest that both sides know. */
import { unsupported } from '#platform/errors/errors.ts'

/** Oldest and newest API whose answers this driver was run against (1.41: engine 20.10). */
export const apiVersionMin = '1.40'
export const apiVersionMax = '1.56'

export function compareVersions(left: string, right: string): number {
  const [a, b] = [left, right].map((text) => text.split('.').map(Number)) as [number[], number[]]
  return (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0)
}

/** `offered` is the `Api-Version` header of the engine's `/_ping`. */
export function chooseApiVersion(offered: string | undefined): string {
  if (offered === undefined || !/^\d+\.\d+$/.test(offered)) {
    throw unsupported(`What answers is no Docker Engine: its ping has no usable Api-Version (${offered ?? 'none'}).`, {
      reason: 'apiVersion',
    })
  }
  if (compareVersions(offered, apiVersionMin) < 0) {
    throw unsupported(
      `The container engine speaks API ${offered}; at least ${apiVersionMin} is needed: upgrade the engine.`,
      { reason: 'apiVersion' },
    )
  }
  return compareVersions(offered, apiVersionMax) < 0 ? offered : apiVersionMax
}
