/** Nova with quota itself beside it: two projects of one organisation that share its places. */
import assert from 'node:assert/strict'
import type { TestDatabase } from '#platform/db/testing.ts'
import type { QuotaFront } from '#services/quota/manager/front.ts'
import { claimFetch } from '#services/quota/store/claims.ts'
import type { StoredClaim } from '#services/quota/store/claims.ts'
import { migrations } from '#services/quota/store/migrations.ts'
import { projectUpdate } from '#services/quota/store/projects.ts'
import { assertNoDrift, quotaOver } from '#services/quota/testing.ts'
import { serverSubject } from '../manager/quota-words.ts'
import { NovaCloud } from './nova-cloud.ts'
import { serverBody } from './steps.ts'

export const wait = { 'quaystone:when_full': 'wait' }

export class WaitingCloud {
  readonly cloud: NovaCloud
  readonly quota: QuotaFront
  readonly #wishes: ReturnType<typeof quotaOver>['wishes']
  constructor(cloud: NovaCloud, { front, wishes }: ReturnType<typeof quotaOver>) {
    this.cloud = cloud
    this.quota = front
    this.#wishes = wishes
  }

  /** `places` servers for both projects together; cores and memory are plenty. */
  static async start(database: TestDatabase, places: number): Promise<WaitingCloud> {
    const known = new Map<string, string | null>([
      ['org', null],
      ['project-a', 'org'],
      ['project-b', 'org'],
    ])
    let quota!: ReturnType<typeof quotaOver>
    const cloud = await NovaCloud.start(database, {
      migrations: [{ service: 'quota', migrations }],
      over: (db, clock) => (quota = quotaOver(db, clock, known)).front,
    })
    const bench = new WaitingCloud(cloud, quota)
    await bench.places(places)
    for (const projectId of ['project-a', 'project-b']) {
      const borrowing = { own: 0, lend: 0, borrow: -1 }
      const shared = ['instances', 'cores', 'ram', 'metadata_items', 'injected_files', 'injected_file_content_bytes']
      await quota.front.setLimits({
        projectId,
        limits: Object.fromEntries([...shared, 'injected_file_path_bytes'].map((name) => [name, borrowing])),
      })
    }
    return bench
  }

  async places(count: number): Promise<void> {
    const shared = (amount: number) => ({ own: amount, pool: amount })
    const limits = { instances: shared(count), cores: shared(100), ram: shared(100_000) }
    await this.quota.setLimits({ projectId: 'org', limits })
  }

  /** The one place is project-a's own, which lends it; project-b may borrow it. */
  async lending(): Promise<void> {
    await this.quota.setLimits({
      projectId: 'org',
      limits: { instances: { own: 1, pool: 0 }, cores: { pool: 50 }, ram: { pool: 50_000 } },
    })
    await this.quota.setLimits({
      projectId: 'project-a',
      limits: {
        instances: { own: 1, lend: -1, borrow: 0 },
        cores: { own: 50 },
        ram: { own: 50_000 },
      },
    })
  }

  /** What quota's owner of wishes does: gives notice to those who borrowed. */
  async takeBack(): Promise<void> {
    for (const wish of this.#wishes.splice(0))
      await this.cloud.db.transaction((tx) => this.quota.reclaim.begin(tx, wish))
  }

  /** How many asks wish for what was lent. */
  get wishes(): number {
    return this.#wishes.length
  }

  claim(subject: string): Promise<StoredClaim | undefined> {
    return claimFetch(this.cloud.db, subject)
  }

  policy(projectId: string, policy: Record<string, unknown>): Promise<void> {
    return this.cloud.db.transaction((tx) => projectUpdate(tx, projectId, { policy }))
  }

  /** The answer to a create with scheduler hints. */
  create(
    name: string,
    { as = 'alice', hints = wait, ...more }: { as?: string; hints?: object; [key: string]: unknown } = {},
  ) {
    this.cloud.clock.advance(1)
    const body = { ...serverBody(name, more), 'os:scheduler_hints': hints }
    return this.cloud.ask('POST', '/v2.1/servers', { as, body })
  }

  async id(...asked: Parameters<WaitingCloud['create']>): Promise<string> {
    const answer = await this.create(...asked)
    assert.equal(answer.status, 202, JSON.stringify(answer.body))
    return answer.body.server.id as string
  }

  /** Deletes a server that has a container, as its host would carry it out. */
  async end(id: string, as = 'alice'): Promise<void> {
    assert.equal((await this.cloud.ask('DELETE', `/v2.1/servers/${id}`, { as })).status, 204)
    if (this.cloud.workloads.rows.has(id)) this.cloud.workloads.finish(id)
    await this.cloud.follow()
  }

  /** Lets Nova look until there is nothing left to do. */
  async settle(): Promise<void> {
    for (let pass = 0; (await this.cloud.pass('nova.build-waiting')) > 0; pass++) assert.ok(pass < 10)
  }

  /** Lets quota look at its line, as its controller does when limits change and time passes. */
  serve(): Promise<void> {
    return this.cloud.db.transaction((tx) => this.quota.waitingLine.serve(tx, 'org'))
  }

  async standing(id: string): Promise<string | undefined> {
    return (await this.quota.standing(this.cloud.db, [serverSubject(id)])).get(serverSubject(id))
  }

  instances(projectId: string): Promise<number> {
    return this.used(projectId, 'instances')
  }

  async used(projectId: string, resource: string): Promise<number> {
    const { inUse, reserved } = (await this.quota.usage(projectId))[resource]!
    return inUse + reserved
  }

  /** The action that made a server, as its owner sees it. */
  async createOf(id: string, as = 'alice') {
    const { instanceActions } = (await this.cloud.ask('GET', `/v2.1/servers/${id}/os-instance-actions`, { as })).body
    return instanceActions.find(({ action }: { action: string }) => action === 'create')
  }

  /** The ids of the servers that wait. */
  async waitingRows(): Promise<string[]> {
    const db = this.cloud.db.as<{ nova_waiting: { server_id: string } }>()
    const rows = await db.selectFrom('nova_waiting').select('server_id').execute()
    return rows.map((row) => row.server_id)
  }

  async close(): Promise<void> {
    await assertNoDrift(this.cloud.db)
    await this.cloud.close()
  }
}
