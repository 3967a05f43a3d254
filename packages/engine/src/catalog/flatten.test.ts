import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { loadParser } from '../parse/parser.ts'
import { sameNesting } from './same-text.ts'

before(() => loadParser())

test('sameNesting: a chain of conditions without inner brackets is the same, another operator is not', () => {
  assert.ok(sameNesting('constraint', 'check (a and (b and c))', 'check (a and b and c)'))
  assert.ok(!sameNesting('constraint', 'check (a and (b or c))', 'check (a and b or c)'))
  assert.ok(!sameNesting('constraint', 'check (a and b::text is null)', 'check (a and b is null)'))
})

test('sameNesting: names of columns in the later parts of a union mean nothing, in the first one they do', () => {
  assert.ok(sameNesting('query', 'select 1 as a union select 2', 'select 1 as a union select 2 as b'))
  assert.ok(!sameNesting('query', 'select 1 as a union select 2', 'select 1 as b union select 2'))
})
