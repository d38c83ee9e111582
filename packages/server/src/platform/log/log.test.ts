/** The log: one JSON line each, secrets blotted out, and readable lines for people. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createLog } from './log.ts'
import type { LogOptions } from './log.ts'

function captured(options: LogOptions = {}) {
  const text: string[] = []
  const log = createLog({ pretty: false, ...options, destination: { write: (line: string) => { text.push(line) } } })
  return { log, text, lines: () => text.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

describe('log', () => {
  test('writes a line with level, message and fields; children add theirs', () => {
    const { log, lines } = captured()
    log.child({ service: 'nova' }).info({ server: 's1' }, 'Server is built')
    const [{ time, ...line } = {}] = lines()
    assert.equal(typeof time, 'number')
    assert.deepEqual(line, { level: 'info', service: 'nova', server: 's1', msg: 'Server is built' })
  })

  test('keeps to its level', () => {
    const { log, lines } = captured({ level: 'warn' })
    log.debug('no')
    log.info('no')
    log.warn('yes')
    log.error('yes')
    assert.deepEqual(lines().map(({ level, msg }) => [level, msg]), [['warn', 'yes'], ['error', 'yes']])
  })

  test('errors keep their message and stack', () => {
    const { log, lines } = captured()
    log.error({ err: new Error('It broke') }, 'Could not')
    const err = lines()[0]?.['err'] as { message: string; stack: string }
    assert.equal(err.message, 'It broke')
    assert.match(err.stack, /log\.test\.ts/)
  })

  test('blots out secrets at every depth that a request has', () => {
    const { log, text } = captured()
    log.info({
      password: 'hush', auth: { identity: { password: { user: { name: 'ann', password: 'hush' } } } },
      server: { adminPass: 'hush', name: 'web' },
      headers: { 'x-auth-token': 'hush', 'X-Auth-Token': 'hush', authorization: 'hush', accept: 'json' },
      credential: { secret: 'hush', token: 'hush' }, req: { headers: { 'x-auth-token': 'hush', cookie: 'hush' } },
    }, 'request')
    const [line = ''] = text
    assert.doesNotMatch(line, /hush/)
    assert.match(line, /"name":"web"/)
    assert.match(line, /"accept":"json"/)
  })

  test('blots out secrets of children, lists and errors, and leaves what was logged as it was', () => {
    const { log, text } = captured()
    const err = Object.assign(new Error('No'), { details: { admin_pass: 'hush' } })
    const fields = { users: [{ name: 'ann', Password: 'hush' }], err }
    log.child({ token: 'hush' }).warn(fields, 'refused')
    assert.doesNotMatch(text[0] ?? '', /hush/)
    assert.match(text[0] ?? '', /"name":"ann"/)
    assert.equal(fields.users[0]?.Password, 'hush')
  })

  test('readable lines have time, level, message, fields and the stack of an error', () => {
    const { log, text } = captured({ pretty: true })
    log.info({ server: 's1', took: '3 ms' }, 'Server is built')
    log.error({ err: new Error('It broke') }, 'Could not')
    assert.match(text[0] ?? '', /^\d\d:\d\d:\d\d info {2}Server is built {2}server=s1 took="3 ms"\n$/)
    assert.match(text[1] ?? '', /^\d\d:\d\d:\d\d error Could not\n {6}Error: It broke\n {6} {4}at /)
  })
})
