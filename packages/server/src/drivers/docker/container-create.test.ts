/** A spec in the engine's words: units, limits, the gate, what a shared network forbids. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labels } from '#services/workloads/ports.ts'
import { createBody, driverLabels, resourceLimits } from './container-create.ts'
import { gatedCommand, gateMountPoint, isWaitingArgv } from './gate-command.ts'
import { specOf } from './suite-bench.ts'

const image = { entrypoint: ['/entry'], command: ['cmd'], env: ['PATH=/bin', 'node.name=one', 'OVER=image'] }
const context = { cloudId: 'cloud', hostCpus: 4, image, command: { entrypoint: ['/entry'], command: ['cmd'] } }
type Body = Record<string, any>

test('memory is in bytes without swap, vCPUs are a weight and a cap', () => {
  assert.deepEqual(resourceLimits({ vcpus: 1.5, ramMiB: 512, pids: 9, cpuset: '0-1' }, 4), {
    CpuShares: 1536,
    NanoCpus: 1.5e9,
    Memory: 512 * 1024 * 1024,
    MemorySwap: 512 * 1024 * 1024,
    PidsLimit: 9,
    CpusetCpus: '0-1',
  })
})

test('cap and weight keep within what the engine accepts; shares may be given', () => {
  assert.deepEqual(resourceLimits({ vcpus: 1000 }, 4), { CpuShares: 262_144, NanoCpus: 4e9 })
  assert.deepEqual(resourceLimits({ vcpus: 0.0001 }, 4), { CpuShares: 2, NanoCpus: 1e7 })
  assert.equal(resourceLimits({ vcpus: 1, cpuShares: 77 }, 4)['CpuShares'], 77)
})

test('nothing asked is nothing limited, and nothing changed by an update', () => {
  assert.deepEqual(resourceLimits({ vcpus: 0, ramMiB: 0 }, 4), {})
  assert.deepEqual(resourceLimits({}, 4), {})
})

test('a gated container mounts its gate and keeps the user\'s command in a label', () => {
  const body = createBody(specOf('i', { env: { OVER: 'spec' } }), { ...context, gateDir: '/gates/x' }) as Body
  assert.deepEqual(body['Cmd'], ['/entry', 'cmd'])
  assert.equal(body['Entrypoint'][0], `${gateMountPoint}/busybox`)
  assert.deepEqual(body['HostConfig'].Mounts, [
    { Type: 'bind', Source: '/gates/x', Target: gateMountPoint, ReadOnly: true },
  ])
  assert.deepEqual(JSON.parse(body['Labels'][driverLabels.command]), context.command)
  assert.equal(body['Labels'][labels.cloud], 'cloud')
})

test('a spec cannot forge the labels that make a container ours', () => {
  const spec = specOf('i', { labels: { [labels.cloud]: 'other', [labels.workload]: 'other', colour: 'red' } })
  const { Labels } = createBody(spec, context) as Body
  assert.deepEqual([Labels[labels.cloud], Labels[labels.workload], Labels['colour']], ['cloud', spec.workloadId, 'red'])
})

test('in another\'s network there is no host name, no port, no name server of one\'s own', () => {
  const body = createBody(
    specOf('i', {
      networkMode: 'container:abc',
      dns: ['192.0.2.1'],
      publishedPorts: [{ containerPort: 80, protocol: 'tcp' }],
    }),
    context,
  ) as Body
  assert.deepEqual(
    [body['Hostname'], body['ExposedPorts'], body['HostConfig'].Dns, body['HostConfig'].PortBindings],
    [undefined, undefined, undefined, undefined],
  )
})

test('published ports: several bindings of one port, a free host port by an empty one', () => {
  const port = { containerPort: 80, protocol: 'tcp' as const }
  const body = createBody(
    specOf('i', { networkMode: 'bridge', publishedPorts: [{ ...port, hostPort: 8080, hostIp: '192.0.2.1' }, port] }),
    context,
  ) as Body
  assert.deepEqual(body['HostConfig'].PortBindings, {
    '80/tcp': [
      { HostIp: '192.0.2.1', HostPort: '8080' },
      { HostIp: undefined, HostPort: '' },
    ],
  })
  assert.deepEqual(body['ExposedPorts'], { '80/tcp': {} })
})

test('domains of short names: those given, none, or what the engine likes when nothing is said', () => {
  const searchOf = (dnsSearch?: string[]) =>
    (createBody(specOf('i', { dnsSearch }), context) as Body)['HostConfig'].DnsSearch
  assert.deepEqual([searchOf(['lab.example']), searchOf([]), searchOf()], [['lab.example'], ['.'], undefined])
})

test('nothing else may be mounted on the gate', () => {
  assert.throws(
    () =>
      createBody(
        specOf('i', {
          mounts: [
            { type: 'tmpfs', target: '/x' },
            { type: 'bind', source: '/s', target: gateMountPoint },
          ],
        }),
        context,
      ),
    { kind: 'badRequest' },
  )
})

test('names that a shell would drop or own are handed over by env, quoted', () => {
  const script = (env: string[]) => gatedCommand(context.command, env).entrypoint[3]!
  assert.match(
    script(['A=1', "node.name=it's", 'PWD=/x']),
    /exec \S+\/busybox env 'node\.name=it'\\''s' 'PWD=\/x' "\$q_file" "\$@"\n$/,
  )
  assert.match(script(['A=1', '_b2=2']), /exec -a "\$q_name" "\$q_file" "\$@"\n$/)
})

test('who waits is told by its argv', () => {
  assert.equal(isWaitingArgv([`${gateMountPoint}/busybox`, 'sh', '-c', 'x']), true)
  for (const argv of [
    ['runc', 'init'],
    ['/proc/self/exe', 'init'],
    ['/usr/bin/crun', 'init'],
  ])
    assert.equal(isWaitingArgv(argv), true)
  for (const argv of [
    ['sleep', '1'],
    ['/sbin/init'],
    ['/bin/x', 'init'],
    [`${gateMountPoint}/busybox`, 'env', 'a.b=c'],
    [],
  ])
    assert.equal(isWaitingArgv(argv), false)
})
