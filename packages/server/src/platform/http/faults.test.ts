/** What leaves the process when the answer is no: upstream's bodies as they are, quota's reason beside them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conflict, notFound, overLimit, type QuotaReason } from '#platform/errors/errors.ts'
import type { FaultStyle } from '#platform/api-kit/service.ts'
import { faultOf } from './faults.ts'

const styles: FaultStyle[] = ['nova', 'keystone', 'neutron', 'glance', 'cinder', 'heat', 'placement', 'magnum']
const quota: QuotaReason = { code: 'RECLAIMING', resource: 'cores', asked: 4, retry_after: 30 }

test('headers carry quota’s reason in every style, and no body of upstream’s shows a trace of it', () => {
  for (const style of styles) {
    const { body, headers } = faultOf(overLimit('No.', { quota }), style, 'req-1')
    assert.deepEqual(headers, { 'X-Quota-Reason': 'RECLAIMING', 'Retry-After': '30' }, style)
    assert.deepEqual(body, faultOf(overLimit('No.'), style, 'req-1').body, style)
  }
})

test('without a time there is no Retry-After, and without quota neither header', () => {
  const final = faultOf(overLimit('No.', { quota: { code: 'CEILING' } }), 'nova', 'req-1')
  assert.deepEqual(final.headers, { 'X-Quota-Reason': 'CEILING' })
  const other = conflict('No.', { reason: 'LOCKED', headers: { Allow: 'GET' } })
  assert.deepEqual(faultOf(other, 'nova', 'req-1').headers, { Allow: 'GET' })
})

test('our own services tell programs the whole reason, or at least its code', () => {
  const detailsOf = (error: Error) => (faultOf(error, 'plain', 'req-1').body as any).error.details
  assert.deepEqual(detailsOf(overLimit('No.', { quota, reason: 'RECLAIMING' })), quota)
  assert.deepEqual(detailsOf(conflict('No.', { reason: 'ID_TAKEN', field: 'id' })), { code: 'ID_TAKEN', field: 'id' })
  assert.equal(detailsOf(notFound('No.')), undefined)
})
