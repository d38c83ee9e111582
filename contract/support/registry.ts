/** A real registry (Debian's docker-registry) on a loopback port, unpacked beside the test: no service is installed. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './cloud.ts'
import { eventually } from './eventually.ts'

const startTimeoutMs = 30_000

export class Registry {
  readonly host: string
  readonly #directory: string
  readonly #process: ChildProcess

  private constructor(directory: string, port: number) {
    this.host = `127.0.0.1:${port}`
    this.#directory = directory
    const config = join(directory, 'config.yml')
    writeFileSync(config, configOf(join(directory, 'blobs'), this.host))
    this.#process = spawn(join(directory, 'usr/bin/docker-registry'), ['serve', config], { stdio: 'ignore' })
  }

  static async start(): Promise<Registry> {
    const directory = mkdtempSync(join(tmpdir(), 'quaystone-registry-'))
    unpackRegistry(directory)
    const registry = new Registry(directory, await freePort())
    await eventually({ timeoutMs: startTimeoutMs }, async () => {
      const reply = await fetch(`http://${registry.host}/v2/`)
      if (!reply.ok) throw new Error(`the registry answers ${reply.status}`)
    })
    return registry
  }

  /** Pushes a `docker save` archive; returns the reference to import it by. */
  push(archive: Buffer, name: string): string {
    const file = join(this.#directory, 'pushed.tar')
    writeFileSync(file, archive)
    const reference = `${this.host}/${name}`
    const target = ['--dest-tls-verify=false', `docker-archive:${file}`, `docker://${reference}`]
    execFileSync('skopeo', ['--insecure-policy', 'copy', '--quiet', ...target], { stdio: 'pipe' })
    return reference
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

function unpackRegistry(directory: string): void {
  const packages = join(directory, 'packages')
  mkdirSync(packages)
  const options = { cwd: packages, stdio: 'pipe' } as const
  execFileSync('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', 'docker-registry'], options)
  for (const file of readdirSync(packages)) execFileSync('dpkg-deb', ['--extract', file, directory], options)
}

const configOf = (folder: string, address: string): string => `version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: ${folder} } }
http: { addr: "${address}" }
`
