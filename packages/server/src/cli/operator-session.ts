/** A running cloud as its operator's commands reach it: with the administrator of the data directory. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { StartProblem } from '../app/data-dir.ts'

const readAuth = (dataDir: string): Record<string, string> => {
  try {
    return parse(readFileSync(join(dataDir, 'clouds.yaml'), 'utf8')).clouds['quaystone-admin'].auth
  } catch (error) {
    throw new StartProblem(
      `No cloud was ever started on ${dataDir} (${(error as Error).message}). Name its directory with --data-dir.`,
    )
  }
}

const sent = async (url: string, init: RequestInit): Promise<Response> => {
  try {
    return await fetch(url, init)
  } catch (error) {
    throw new StartProblem(
      `No cloud answers at ${new URL(url).origin} (${(error as Error).message}). Start it with \`quaystone up\`.`,
    )
  }
}

/** The sentence inside a fault of any service; the whole answer where there is none. */
const sentenceOf = (text: string): string => {
  try {
    const fault = Object.values(JSON.parse(text) as Record<string, unknown>)[0]
    const { message } = (fault ?? {}) as { message?: unknown }
    return typeof message === 'string' ? message : text
  } catch (error) {
    if (error instanceof SyntaxError) return text
    throw error
  }
}

/** Asks one path of the cloud's API with an administrator's token; the parsed body. */
export const operatorSession = async (dataDir: string) => {
  const auth = readAuth(dataDir)
  const domain = { id: 'default' }
  const login = await sent(`${auth.auth_url}/v3/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: auth.username, password: auth.password, domain } },
        },
        scope: { project: { name: auth.project_name, domain } },
      },
    }),
  })
  if (!login.ok)
    throw new StartProblem(`The cloud at ${auth.auth_url} refused its own administrator (${login.status}).`)
  const token = String(login.headers.get('x-subject-token'))
  const origin = new URL(auth.auth_url!).origin
  return async <T>(path: string, init: { method?: string; body?: unknown } = {}): Promise<T> => {
    const answer = await sent(origin + path, {
      method: init.method,
      body: init.body === undefined ? undefined : JSON.stringify(init.body),
      headers: { 'x-auth-token': token, 'content-type': 'application/json' },
    })
    const text = await answer.text()
    if (!answer.ok) throw new StartProblem(`${path} answered ${answer.status}: ${sentenceOf(text)}`)
    return (text ? JSON.parse(text) : undefined) as T
  }
}
