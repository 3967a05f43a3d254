import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyEdits } from './apply-edits.ts'

test('applyEdits: makes edits in any order, and of two that overlap only the later one', () => {
  const edits = [
    { start: 0, end: 1, text: 'A' },
    { start: 4, end: 4, text: '!' },
    { start: 2, end: 5, text: 'lost' },
  ]

  const result = applyEdits('abcd', edits)

  assert.deepEqual(result, { text: 'Abcd!', made: 2 })
})
