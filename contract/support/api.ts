/** The cloud's REST API as plainly as fetch has it, for stories in which the server may be killed under a request. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Account, Cloud, Person } from './cloud.ts'

export interface ApiAnswer {
  readonly status: number
  readonly body: any
  readonly token: string | null
}

export class Api {
  readonly #cloud: Pick<Cloud, 'url' | 'dataDir'>
  readonly #person: Person | Account
  #token = ''
  constructor(cloud: Pick<Cloud, 'url' | 'dataDir'>, person: Person | Account) {
    this.#cloud = cloud
    this.#person = person
  }

  /** Rejects when the server is away. Logs in again when a token is no longer good. */
  async ask(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    if (this.#token === '') await this.#login()
    const answer = await this.#send(method, path, body)
    if (answer.status !== 401) return answer
    await this.#login()
    return this.#send(method, path, body)
  }

  async #login(): Promise<void> {
    const { username, password, project } = this.#account()
    const domain = { id: 'default' }
    const answer = await this.#send('POST', '/identity/v3/auth/tokens', {
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: username, password, domain } },
        },
        scope: { project: { name: project, domain } },
      },
    })
    if (answer.status !== 201) throw new Error(`login answered ${answer.status}`)
    this.#token = answer.token ?? ''
  }

  #account(): Account {
    if (typeof this.#person !== 'string') return this.#person
    const { auth } = parse(readFileSync(join(this.#cloud.dataDir, 'clouds.yaml'), 'utf8')).clouds[this.#person]
    return { username: auth.username, password: auth.password, project: auth.project_name }
  }

  async #send(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const answer = await fetch(this.#cloud.url + path, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
      headers: {
        'x-auth-token': this.#token,
        'content-type': 'application/json',
        'openstack-api-version': 'compute 2.96',
      },
    })
    const text = await answer.text()
    return {
      status: answer.status,
      body: text.startsWith('{') ? JSON.parse(text) : text,
      token: answer.headers.get('x-subject-token'),
    }
  }
}
