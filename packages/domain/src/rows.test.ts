import assert from 'node:assert/strict'
import { test } from 'node:test'
import { single, toColumns } from './rows.ts'

test('toColumns: writes snake_case keys, hexadecimal bytes and ISO instants, and leaves out what is undefined', () => {
  const columns = toColumns({
    givenName: 'Asha',
    mobileBidx: Buffer.from([0, 255]),
    deceasedAt: new Date(0),
    isVip: false,
    emrId: undefined,
  })

  assert.deepEqual(columns, {
    given_name: 'Asha',
    mobile_bidx: '\\x00ff',
    deceased_at: '1970-01-01T00:00:00.000Z',
    is_vip: false,
  })
})

test('single: refuses none and more than one row', () => {
  assert.equal(single([7]), 7)
  assert.throws(() => single([]), /got 0/)
  assert.throws(() => single([1, 2]), /got 2/)
})
