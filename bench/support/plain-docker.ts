/** The Docker API used plainly, as the baseline: create on a network, start, remove. */
import { Pool } from 'undici'

export interface PlainDocker {
  /** Creates and starts one container on the bench's own bridge network; answers with its id. */
  run(image: string): Promise<string>
  remove(id: string): Promise<void>
  close(): Promise<void>
}

interface Answer { statusCode: number; body: { text(): Promise<string> } }

const expectOk = async (answer: Answer, what: string): Promise<any> => {
  const text = await answer.body.text()
  if (answer.statusCode >= 300 && answer.statusCode !== 304) throw new Error(`${what}: ${answer.statusCode} ${text}`)
  return text.startsWith('{') ? JSON.parse(text) : {}
}

/** 64 MiB and one CPU, like the flavor of the servers it is compared with. */
const specOf = (image: string, network: string) => ({
  Image: image, Labels: { 'org.quaystone.bench': 'yes' },
  HostConfig: { NetworkMode: network, Memory: 64 * 1024 * 1024, NanoCpus: 1e9 },
})

export const plainDocker = async (socketPath = '/var/run/docker.sock'): Promise<PlainDocker> => {
  const pool = new Pool('http://docker', { socketPath, connections: 64 })
  const post = (path: string, body?: unknown) => pool.request({
    path, method: 'POST', headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const network = `quaystone-bench-${process.pid}`
  await expectOk(await post('/networks/create', { Name: network, Driver: 'bridge' }), 'network create')
  const remove = async (id: string) => {
    await expectOk(await pool.request({ path: `/containers/${id}?force=true`, method: 'DELETE' }), 'remove')
  }
  return {
    run: async (image) => {
      const { Id } = await expectOk(await post('/containers/create', specOf(image, network)), 'create')
      await expectOk(await post(`/containers/${Id}/start`), 'start')
      return Id
    },
    remove,
    close: async () => {
      await expectOk(await pool.request({ path: `/networks/${network}`, method: 'DELETE' }), 'network remove')
      await pool.close()
    },
  }
}
