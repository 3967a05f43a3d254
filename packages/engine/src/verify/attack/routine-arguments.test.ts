import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitArguments } from './routine-arguments.ts'

test('splitArguments: a comma in a type or a default does not end an argument', () => {
  const parts = splitArguments(
    `p_amount numeric(14,2), p_text text DEFAULT 'a, b'::text, p_ids uuid[] DEFAULT ARRAY[f(1, 2), g()]`,
  )

  assert.deepEqual(parts, [
    'p_amount numeric(14,2)',
    `p_text text DEFAULT 'a, b'::text`,
    'p_ids uuid[] DEFAULT ARRAY[f(1, 2), g()]',
  ])
})

test('splitArguments: no arguments give an empty list', () => {
  const parts = splitArguments('')

  assert.deepEqual(parts, [])
})
