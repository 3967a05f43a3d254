import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSql } from '../parse/parse-sql.ts'
import type { PlannedStatement } from '../plan/plan.ts'
import { filteredGrant } from './filtered-grant.ts'
import { grantParts } from './grant-parts.ts'

test('grantParts: takes a grant apart at the commas outside parentheses', () => {
  assert.deepEqual(
    grantParts('grant execute on function\n  a.f(int, numeric(3, 1)), a.g()\nto x, "y, z" with grant option'),
    {
      head: 'grant execute on function',
      objects: ['a.f(int, numeric(3, 1))', 'a.g()'],
      middle: 'to',
      roles: ['x', '"y, z"'],
      tail: 'with grant option',
    },
  )
})

test('grantParts: knows columns, and tables without the word table', () => {
  const parts = grantParts('grant select (id, name), update (name) on a.t, a.u to x')

  assert.deepEqual(
    [parts?.head, parts?.objects, parts?.roles],
    ['grant select (id, name), update (name) on', ['a.t', 'a.u'], ['x']],
  )
})

async function filtered(sql: string): Promise<string | null> {
  const { statements } = await parseSql(sql, 'x.sql')
  const [statement] = statements
  assert.ok(statement)
  const planned: PlannedStatement = { ...statement, leading: '', trailing: '', spaced: false }
  const isPresent = (_: string, name: string) => name.startsWith('a.')
  return filteredGrant(planned, isPresent, new Set(['absent_app']))?.text ?? null
}

const FILTERED: [sql: string, expected: string | null][] = [
  ['grant select on a.t to x', 'grant select on a.t to x'],
  ['grant select on a.t, b.t to x', 'grant select on a.t to x'],
  ['grant select on a.t to x, absent_app', 'grant select on a.t to x'],
  ['grant select on b.t to x', null],
  ['grant select on a.t to absent_app', null],
  ['grant usage on schema a, b to x', 'grant usage on schema a to x'],
  ['grant execute on function b.f(int), a.g(int, text) to x', 'grant execute on function a.g(int, text) to x'],
  ['revoke select on a.t, b.t from x', 'revoke select on a.t from x'],
  ['grant select on all tables in schema a, b to x', 'grant select on all tables in schema a to x'],
  ['grant usage on type a.k to absent_app, public', 'grant usage on type a.k to public'],
]

for (const [sql, expected] of FILTERED) {
  test(`filteredGrant: ${sql} becomes ${expected ?? 'nothing'}`, async () => {
    assert.equal(await filtered(sql), expected)
  })
}
