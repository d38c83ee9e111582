/** Workloads in memory: an order is given when its transaction is committed, and done when a test says so. */
import type { Tx } from '#platform/db/database.ts'
import { conflict, notFound } from '#platform/errors/errors.ts'
import type {
  HostInfo, Workload, WorkloadOrder, WorkloadSpec, WorkloadState, WorkloadsFacade,
} from '#services/workloads/facade.ts'
import { FakeWorkloadVolumes } from './fake-volumes.ts'

const after: Partial<Record<WorkloadOrder['do'], WorkloadState>> = {
  start: 'running', stop: 'stopped', pause: 'paused', unpause: 'running', suspend: 'suspended', resume: 'running',
  reboot: 'running',
  rebuild: 'running', delete: 'deleted',
}

export class FakeWorkloads implements WorkloadsFacade {
  readonly rows = new Map<string, Workload>()
  readonly orders: { id: string; order: WorkloadOrder }[] = []
  readonly snapshots: { id: string; imageId: string }[] = []
  readonly volumes = new FakeWorkloadVolumes()
  passwords = new Map<string, string>()
  failSnapshot: Error | undefined
  host: HostInfo = {
    name: 'host-1', id: '0f7e1c1e-3f2b-4d7e-9a53-0c8f0d9c1a11', up: true, enabled: true, disabledReason: null,
    availabilityZone: 'nova', vcpus: 8,
    ramMiB: 16_384, diskGiB: 100, diskFreeGiB: 80, runningWorkloads: 0, engineVersion: '20.10.24', apiVersion: '1.41',
    architecture: 'x86_64',
    kernel: '6.1.0', address: '127.0.0.1', startedAt: 1_700_000_000_000, seenAt: 1_700_000_000_000,
  }

  check(_spec: WorkloadSpec): void {}

  async ensure(tx: Tx, workload: Parameters<WorkloadsFacade['ensure']>[1]): Promise<Workload> {
    const known = this.rows.get(workload.id)
    if (known) return known
    const row: Workload = {
      ...workload, desired: 'running', state: 'scheduling', step: 'scheduling', hostName: null, containerId: null,
      pid: 0, exitCode: null,
      oomKilled: false, fault: null, generation: 1, doneGeneration: 0, launchedAt: null, terminatedAt: null,
      createdAt: 0, updatedAt: 0,
    }
    tx.afterCommit(() => {
      this.rows.set(row.id, row)
      this.orders.push({ id: row.id, order: { do: 'start' } })
    })
    return row
  }

  async order(tx: Tx, id: string, order: WorkloadOrder): Promise<number> {
    const row = this.rows.get(id)
    if (!row) throw notFound(`Workload ${id} could not be found.`)
    if (row.doneGeneration < row.generation && order.do !== 'delete') throw conflict(`Workload ${id} is busy`)
    tx.afterCommit(() => {
      this.orders.push({ id, order })
      this.rows.set(id, { ...row, generation: row.generation + 1, step: order.do })
    })
    return row.generation + 1
  }

  /** Carries the last order of a workload out. */
  finish(id: string, change: Partial<Workload> = {}): void {
    const row = this.rows.get(id)!
    const last = this.orders.findLast((one) => one.id === id)!.order
    const spec = 'spec' in last ? last.spec : row.spec
    this.rows.set(id, {
      ...row, spec, state: after[last.do] ?? row.state, step: null, doneGeneration: row.generation,
      hostName: this.host.name,
      launchedAt: row.launchedAt ?? 1_700_000_001_000, ...change,
    })
  }

  fail(id: string, message: string): void {
    this.finish(id, {
      state: 'error', fault: { code: 500, message, details: `details of ${message}`, at: 1_700_000_002_000 },
    })
  }

  async rename(_tx: unknown, id: string, name: string): Promise<void> {
    const row = this.rows.get(id)
    if (row) this.rows.set(id, { ...row, name })
  }

  async fetch(id: string): Promise<Workload | undefined> { return this.rows.get(id) }
  async fetchMany(ids: string[]): Promise<Map<string, Workload>> {
    return new Map(ids.flatMap((id) => { const row = this.rows.get(id); return row ? [[id, row] as const] : [] }))
  }

  async logs(id: string, tail?: number): Promise<Buffer> {
    const lines = ['one', 'two', `container ${id}`]
    return Buffer.from(lines.slice(tail === undefined ? 0 : -tail).join('\r\n') + '\r\n')
  }

  async exec(id: string, command: string[], options?: { stdin?: string }) {
    if (command[0] !== 'chpasswd') return { exitCode: 127, output: Buffer.alloc(0) }
    this.passwords.set(id, options?.stdin ?? '')
    return { exitCode: 0, output: Buffer.alloc(0) }
  }

  async stats() {
    return {
      cpuTimeNs: 5_000_000, memoryBytes: 10_485_760, memoryMaxBytes: 134_217_728, pids: 2, blkReadBytes: 10,
      blkWriteBytes: 20,
    }
  }

  async snapshot(id: string, imageId: string): Promise<void> {
    if (this.failSnapshot) throw this.failSnapshot
    this.snapshots.push({ id, imageId })
  }

  async doctor() { return { leaks: [], stuck: [], hostsSilent: [] } }
  async hosts(): Promise<HostInfo[]> { return [this.host] }
  async hostUpdate(_name: string, change: Partial<HostInfo>): Promise<HostInfo> {
    return (this.host = { ...this.host, ...change })
  }
}
