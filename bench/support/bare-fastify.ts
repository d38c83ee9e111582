/** A bare Fastify in a process of its own that answers every GET with the bytes given: the floor of what HTTP costs. */
import { fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fastify } from 'fastify'

if (process.argv[2] === 'serve') {
  const body = readFileSync(process.argv[3]!)
  const server = fastify({ logger: false })
  server.get('/*', (_request, reply) => reply.type('application/json').send(body))
  await server.listen({ port: 0, host: '127.0.0.1' })
  process.send!((server.server.address() as { port: number }).port)
}

export interface BareServer { url: string; cpuMs(): number; stop(): void }

export const startBare = async (bodyFile: string): Promise<BareServer> => {
  const child = fork(import.meta.filename, ['serve', bodyFile])
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(message as number))
    child.once('exit', (code) => reject(new Error(`the bare server ended with ${code}`)))
  })
  const cpuMs = () => {
    const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  }
  return { url: `http://127.0.0.1:${port}`, cpuMs, stop: () => { child.kill() } }
}
