/** How an agent gets in: it tries until it is let in, and a newcomer that is refused is told why. */
import type { Bus } from '#platform/bus/bus.ts'
import type { Clock } from '#platform/clock/clock.ts'
import { isRefusal } from '#platform/errors/errors.ts'
import type { Log } from '#platform/log/log.ts'
import { Greeting, readToken, subjects, type AgentSession, type HelloReply } from '#drivers/remote/session.ts'
import { StartProblem } from '../data-dir.ts'
import type { AgentFiles } from './agent-files.ts'

export interface Joining {
  bus: Bus
  /** As `quaystone hosts token` printed it. */
  token: string
  name: string
  address: string
  version: string
  files: AgentFiles
  clock: Clock
  log: Log
}

const helloMsMax = 10_000
const pauseMs = 1_000
const refusedPauseMs = 10_000

/** Undefined: the signal aborted. */
export async function joinCloud(
  joining: Joining,
  { mayBeRefused, signal }: { mayBeRefused: boolean; signal: AbortSignal },
): Promise<AgentSession | undefined> {
  const { clock, log } = joining
  while (!signal.aborted) {
    const outcome = await greet(joining)
    if (typeof outcome === 'object') return outcome
    if (outcome === 'away') {
      log.info('The cloud does not answer; trying again until it does')
      await clock.sleep(pauseMs, signal)
      continue
    }
    if (mayBeRefused) throw new StartProblem(`The cloud refused this host: ${outcome}`)
    log.error({ reason: outcome }, 'The cloud refuses this host; what runs on it is kept as it is')
    await clock.sleep(refusedPauseMs, signal)
  }
  return undefined
}

/** The session; or why not, in a sentence; or `away`. */
async function greet({ bus, token, name, address, version, files }: Joining): Promise<AgentSession | string> {
  const { greeting, secret } = readGreeting(token)
  const { hostKey } = files.identity
  const introduction = { secret, hostKey, name, address, version }
  try {
    const hello = greeting.hello(introduction)
    const reply = (await bus.request(subjects.hello, hello, { timeoutMs: helloMsMax })) as HelloReply
    if ('refused' in reply) return reply.refused
    return greeting.session(reply.box) ?? 'whoever answered does not have the key that the token names'
  } catch (error) {
    if (isRefusal(error) && error.kind !== 'unavailable') return error.message
    return 'away'
  }
}

function readGreeting(token: string): { greeting: Greeting; secret: string } {
  const read = readToken(token)
  try {
    if (read !== undefined) return { greeting: new Greeting(read.cloudKey), secret: read.secret }
  } catch {
    // Its key is no key: the same problem for whoever wrote it down.
  }
  throw new StartProblem('The token is damaged, or is none. Make one with `quaystone hosts token`.')
}
