/** The data directory: its identity and secrets, its lock, and the client files that are written into it. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { secret } from '#platform/ids/ids.ts'

/** A reason, for people, why the program cannot start. */
export class StartProblem extends Error {}

export interface Identity {
  /** 8 hexadecimal digits that mark this cloud's objects on hosts. */
  cloudId: string
  masterKey: Buffer
  adminPassword: string
  demoPassword: string
  firstBoot: boolean
}

const write0600 = (path: string, text: string): void => {
  const fresh = `${path}.${process.pid}.new`
  writeFileSync(fresh, text, { mode: 0o600 })
  renameSync(fresh, path)
}

const created = (): Omit<Identity, 'firstBoot'> => ({
  cloudId: randomBytes(4).toString('hex'),
  masterKey: randomBytes(32),
  adminPassword: secret(15),
  demoPassword: secret(15),
})

const parsed = (text: string, path: string): Identity => {
  try {
    const stored = JSON.parse(text)
    const masterKey = Buffer.from(stored.masterKey, 'base64')
    if (masterKey.length !== 32 || !/^[0-9a-f]{8}$/.test(stored.cloudId)) throw new Error('a field is missing')
    return { ...stored, masterKey, firstBoot: false }
  } catch (error) {
    throw new StartProblem(
      `${path} is damaged (${(error as Error).message}). Restore it from a backup, or start with another --data-dir.`,
    )
  }
}

/** Makes the directory if it is new, and answers with its identity; the same at every start. */
export const openDataDir = (path: string): Identity => {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    chmodSync(path, 0o700)
    const file = join(path, 'identity.json')
    if (existsSync(file)) return parsed(readFileSync(file, 'utf8'), file)
    const identity = created()
    write0600(file, JSON.stringify({ ...identity, masterKey: identity.masterKey.toString('base64') }, null, 2))
    return { ...identity, firstBoot: true }
  } catch (error) {
    if (error instanceof StartProblem) throw error
    throw new StartProblem(
      `The data directory ${path} cannot be used: ${(error as Error).message}. Choose one with --data-dir.`,
    )
  }
}

const isAlive = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('main.ts')
  } catch {
    return false // no such process, or it ended while we looked: either way it holds nothing
  }
}

/** Refuses a second process on the same directory. Returns what releases it. */
export const lockDataDir = (path: string): (() => void) => {
  const file = join(path, 'pid')
  const holder = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
  if (holder && holder !== process.pid && isAlive(holder)) {
    throw new StartProblem(
      `Quaystone already runs on ${path} (process ${holder}). Stop it first, or choose another --data-dir.`,
    )
  }
  write0600(file, String(process.pid))
  return () => rmSync(file, { force: true })
}

interface CloudEntry {
  name: string
  user: string
  password: string
  url: string
  region: string
}

/** A user of the first boot has the name of its project. */
const entryOf = ({ name, user, password, url, region }: CloudEntry) => `  ${name}:
    auth:
      auth_url: ${url}/identity
      username: ${user}
      password: ${password}
      project_name: ${user}
      user_domain_name: Default
      project_domain_name: Default
    region_name: ${region}
    identity_api_version: 3
    interface: public
`

/** Writes `clouds.yaml` (clouds `quaystone` and `quaystone-admin`) and `openrc`, mode 0600. Returns their paths. */
export const writeClientFiles = (dir: string, identity: Identity, url: string, region: string) => {
  const clouds = join(dir, 'clouds.yaml')
  const openrc = join(dir, 'openrc')
  const users = [
    { name: 'quaystone', user: 'demo', password: identity.demoPassword },
    { name: 'quaystone-admin', user: 'admin', password: identity.adminPassword },
  ]
  write0600(clouds, `clouds:\n${users.map((user) => entryOf({ ...user, url, region })).join('')}`)
  write0600(
    openrc,
    [
      '# source this file; `source openrc admin` for the administrator',
      'if [ "${1:-demo}" = admin ]; then',
      `  export OS_USERNAME=admin OS_PROJECT_NAME=admin OS_PASSWORD='${identity.adminPassword}'`,
      'else',
      `  export OS_USERNAME=demo OS_PROJECT_NAME=demo OS_PASSWORD='${identity.demoPassword}'`,
      'fi',
      `export OS_AUTH_URL=${url}/identity OS_IDENTITY_API_VERSION=3`,
      'export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default',
      `export OS_REGION_NAME=${region} OS_INTERFACE=public`,
      '',
    ].join('\n'),
  )
  return { clouds, openrc }
}
