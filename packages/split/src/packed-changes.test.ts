import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Change, LogTransaction, MovedTable } from './model.ts'
import { inBatches, PackedChanges, tablesOf } from './packed-changes.ts'

const table = (name: string) => ({ source: { schema: 's', name } }) as MovedTable
const [wards, beds] = [table('wards'), table('beds')]

/** Of every kind, with values that are long, empty, null, left out, and of no Latin letter. */
function change(at: number): Change {
  const row = [String(at), at % 3 === 0 ? null : undefined, 'ward Ω 病棟', '', 'x'.repeat(at % 100)]
  if (at % 4 === 0) return { table: wards, kind: 'insert', row }
  if (at % 4 === 1) return { table: beds, kind: 'update', key: [String(at)], row, before: row.toReversed() }
  return at % 4 === 2 ? { table: beds, kind: 'delete', key: ['1', String(at)] } : { table: wards, kind: 'truncate' }
}

function packed(count: number): PackedChanges {
  const changes = new PackedChanges()
  for (let at = 0; at < count; at++) changes.push(change(at))
  return changes
}

const transaction = (changes: LogTransaction['changes']): LogTransaction => ({
  position: '1',
  committedAt: new Date(0),
  changes,
})

test('PackedChanges: gives back what came in, in its order and of the same tables, as often as it is read', () => {
  const changes = packed(50_001)

  for (const read of [[...changes], [...changes]]) {
    assert.equal(read.length, changes.length)
    assert.deepEqual(
      read,
      Array.from({ length: 50_001 }, (_, at) => change(at)),
    )
    assert.ok(read.every(({ table }) => table === wards || table === beds))
  }
  assert.deepEqual([...tablesOf([transaction(changes)])], [wards, beds])
})

test('inBatches: parts of large transactions and of many, by their number and by their length', () => {
  const long = (length: number): Change => ({ table: wards, kind: 'insert', row: ['x'.repeat(length)] })
  const sizes = (...changes: LogTransaction['changes'][]) =>
    [...inBatches(changes.map(transaction))].map((batch) => batch.length)

  assert.deepEqual(sizes(packed(45_000)), [20_000, 20_000, 5_000])
  assert.deepEqual(sizes(packed(15_000), [change(0)], packed(5_000)), [20_000, 1])
  assert.deepEqual(sizes([long(20 << 20), long(20 << 20), change(0)]), [2, 1])
  assert.deepEqual(sizes([], []), [])
  const [first, second] = inBatches([transaction(packed(20_000)), transaction([change(7)])])
  assert.deepEqual([first?.[19_999], second], [change(19_999), [change(7)]])
})
