import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OwnerMapError } from './errors.ts'
import { readOwnerMap } from './read-owner-map.ts'

test('readOwnerMap: says line and column of what is not YAML', () => {
  assert.deepEqual(problems('services: {}\ntables:\n  a: [b\n'), ['4:1 not YAML'])
})

test('readOwnerMap: refuses what an owner map does not know, and what it must have', () => {
  const text = `services:
  Lab: {}
  bill: { databse: x, database: 'A B' }
tables:
  a: [lab, bill]
  b:
  c: { owners: lab }
  d: { owner: lab, zeroDate: never, copies: bill }
  e: { owner: lab, columns: { born: { zerodate: null } } }
extra: 1
`

  assert.deepEqual(problems(text), [
    `10:1 unknown section 'extra'`,
    `2:3 'Lab' cannot name a service`,
    `3:11 unknown setting 'databse' of service 'bill'`,
    `3:33 'A B' cannot name the database of 'bill'`,
    `5:6 table 'a' has several owners`,
    `6:3 table 'b' has no owner`,
    `7:8 unknown word 'owners' of table 'c'`,
    `7:3 table 'c' has no owner`,
    `8:45 copies of 'd'`,
    `8:30 zeroDate of 'd' is neither null nor a date`,
    `9:39 unknown word 'zerodate' of a column`,
  ])
})

test('readOwnerMap: an empty file lacks both sections', () => {
  assert.deepEqual(problems(''), [`1:1 section 'services' is missing`, `1:1 section 'tables' is missing`])
})

function problems(text: string): string[] {
  try {
    readOwnerMap(text, 'map.yaml')
  } catch (error) {
    assert.ok(error instanceof OwnerMapError)
    return error.problems.map(({ line, column, message }) => `${line}:${column} ${message.replace(/: .*$/, '')}`)
  }
  return []
}
