/** Docker's settings in metadata: what each says, and how a wrong one is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dockerSettings, metadataPrefix, privilegedOptions, referredServers, withIds } from './docker-options.ts'
import { shellWords } from './shell-words.ts'

const server = '11111111-2222-4333-8444-555555555555'
const read = (option: string, value: string) => dockerSettings({ [`docker:${option}`]: value }, metadataPrefix)

const good: [option: string, value: string, settings: object][] = [
  ['command', `sh -c "echo 'a b'"`, { command: ['sh', '-c', "echo 'a b'"] }],
  ['publish', '80, 127.0.0.1:8080:80/tcp,53/udp', {
    publishedPorts: [
      { containerPort: 80, protocol: 'tcp' },
      { containerPort: 80, protocol: 'tcp', hostIp: '127.0.0.1', hostPort: 8080 },
      { containerPort: 53, protocol: 'udp' },
    ],
  }],
  ['links', `${server}:db`, { links: [{ workloadId: server, alias: 'db' }] }],
  ['restart', 'on-failure:3', { restartPolicy: { name: 'on-failure', maximumRetries: 3 } }],
  ['network_mode', `container:${server}`, { networkMode: `container:${server}` }],
  ['devices', '/dev/kvm', { devices: [{ hostPath: '/dev/kvm', containerPath: '/dev/kvm', permissions: 'rwm' }] }],
  ['tty', 'false', { tty: false, stdinOpen: false }],
  ['cap_drop', 'net_raw', { capDrop: ['NET_RAW'] }],
  ['pids', '100', { pids: 100 }],
]
for (const [option, value, settings] of good) test(
  `docker:${option}=${value} is understood`, () => assert.deepEqual(read(option, value), settings),
)

const bad: [option: string, value: string][] = [
  ['publish', '99999'], ['publish', 'http'], ['links', 'db:no name'], ['restart', 'sometimes'], ['restart', 'always:3'],
  ['network_mode', 'vpn'], ['privileged', 'maybe'],
  ['devices', '/etc/passwd'], ['pids', '0'], ['command', 'sh -c "open'], ['nope', 'x'],
]
for (const [option, value] of bad) test(
  `docker:${option}=${value} is refused by name`, () => assert.throws(() => read(option, value), { name: 'Refusal' }),
)

test('what reaches beyond the container is told apart', () => {
  const settings = {
    ...read('privileged', 'true'), ...read('network_mode', 'host'), ...read('cap_add', 'sys_admin'),
    ...read('devices', '/dev/kvm'),
  }
  assert.deepEqual(privilegedOptions(settings), ['privileged', 'network_mode=host', 'cap_add', 'devices'])
  assert.deepEqual(
    privilegedOptions({ ...read('publish', '80'), ...read('cap_drop', 'net_raw'), ...read('network_mode', 'none') }),
    [],
  )
})

test('a link without an alias is called as its server, and names become ids', () => {
  const settings = { ...read('links', `db,${server}:cache`), ...read('network_mode', 'container:side') }
  assert.deepEqual(referredServers(settings), ['db', server, 'side'])
  assert.deepEqual(withIds(settings, new Map([['db', 'id-1'], ['side', 'id-2']])), {
    links: [{ workloadId: 'id-1', alias: 'db' }, { workloadId: server, alias: 'cache' }],
    networkMode: 'container:id-2',
  })
})

test('servers that are referred to are named', () => {
  assert.deepEqual(
    referredServers({ ...read('links', `${server}:db`), ...read('network_mode', `container:${server}`) }),
    [server, server],
  )
})

test('a command line is split as a shell quotes it', () => {
  assert.deepEqual(shellWords(`  httpd -f  -p 80 'a "b"' "c \\"d\\"" e\\ f '' `), [
    'httpd', '-f', '-p', '80', 'a "b"', 'c "d"', 'e f', '',
  ])
})
