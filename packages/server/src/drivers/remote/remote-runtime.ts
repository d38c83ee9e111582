/** A container engine on another host: every call goes to that host's agent. */
import { isRefusal } from '#platform/errors/errors.ts'
import type { ContainerRuntime } from '#services/workloads/ports.ts'

/** Asks the agent of one host; throws `unavailable` while it cannot be reached. */
export type Ask = (method: string, args: unknown[]) => Promise<unknown>

type Method = keyof ContainerRuntime & string

const methods = [
  'info',
  'create',
  'start',
  'openGate',
  'gateWaiting',
  'stop',
  'kill',
  'pause',
  'unpause',
  'rename',
  'update',
  'remove',
  'inspect',
  'list',
  'stats',
  'logs',
  'followLogs',
  'exec',
  'attachTerminal',
  'putArchive',
  'getArchive',
  'imageInspect',
  'imageLoad',
  'imageImport',
  'imageTag',
  'imageList',
  'imageRemove',
  'commit',
  'imageSave',
  'watch',
] as const satisfies readonly Method[]

/** Complete by type: a method that is added to the port and not here does not compile. */
type Forwarded = Record<(typeof methods)[number], (...args: unknown[]) => Promise<unknown>>
type Missing = Exclude<Method, (typeof methods)[number] | 'ping'>
const nothingIsMissing: [Missing] extends [never] ? true : Missing = true

export function createRemoteRuntime(ask: Ask): ContainerRuntime {
  const forward = (method: string) => [method, (...args: unknown[]) => ask(`runtime.${method}`, args)]
  const forwarded = Object.fromEntries(methods.map(forward)) as Forwarded
  return { ...forwarded, ping: () => pings(ask) } as unknown as ContainerRuntime
}

/** An engine whose agent is away does not answer either. */
async function pings(ask: Ask): Promise<boolean> {
  try {
    return nothingIsMissing && (await ask('runtime.ping', [])) === true
  } catch (error) {
    if (isRefusal(error) && error.kind === 'unavailable') return false
    throw error
  }
}
