import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fixtureModule } from '../../../../tests/support/fixture-module.ts'
import { parseSql } from '../parse/parse-sql.ts'
import { planModules } from '../plan/plan-modules.ts'
import { shopModules } from '../../../../tests/support/shop-modules.ts'
import { bundleModules } from './bundle-modules.ts'
import { NotRepeatableError } from './not-repeatable-error.ts'

test('bundleModules: the same modules in any order give the same bytes', async () => {
  const expected = bundleModules(await planModules(shopModules))

  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(shopModules, { minLength: shopModules.length }), async (shuffled) => {
      assert.equal(bundleModules(await planModules(shuffled)), expected)
    }),
    { numRuns: 5 },
  )
})

test('bundleModules: gives a script that parses, without transaction control or psql commands', async () => {
  const script = bundleModules(await planModules(shopModules))

  const { statements, errors } = await parseSql(script, 'V001.sql')

  assert.deepEqual(errors, [])
  assert.ok(!statements.some((statement) => statement.kind === 'TransactionStmt'))
  assert.ok(!/^\\/m.test(script))
})

test('bundleModules: keeps comments and formatting of the author, comments on foreign keys behind the tables', async () => {
  const script = bundleModules(await planModules(shopModules), { title: 'A shop.', command: 'make shop' })

  assert.ok(script.startsWith('-- A shop.\n--\n-- Built from the modules by `make shop`.'), script.slice(0, 200))
  assert.ok(script.includes('create schema if not exists shop; -- goods and orders\n'))
  assert.ok(
    script.includes('-- Orders; a $$ in a comment.\ncreate table if not exists shop.orders (\n  tenant_id uuid'),
  )
  assert.ok(script.indexOf('table if not exists shop.lines') < script.indexOf('on constraint orders_base_fkey'))
})

test('bundleModules: names every statement that cannot run twice, with file and line', async () => {
  const module = fixtureModule('a', [], {
    '100-a.sql': 'create table a.b (x int);\ninsert into a.b values (1);\n\nupdate a.b set x = 2;',
  })
  const plan = await planModules([module])

  assert.throws(
    () => bundleModules(plan),
    (error) => {
      assert.ok(error instanceof NotRepeatableError)
      assert.equal(error.code, 'IMH_NOT_REPEATABLE')
      assert.deepEqual(
        error.problems.map((problem) => problem.split(': ')[0]),
        ['a/100-a.sql:2', 'a/100-a.sql:4'],
      )
      return true
    },
  )
})

test('bundleModules: puts the check of SQL bodies off only where a body names a later table', async () => {
  const early = fixtureModule('a', [], {
    '000-a.sql': `create function a.f() returns bigint language sql as 'select count(*) from a.t';`,
    '100-t.sql': 'create table a.t (x int);',
  })
  const late = fixtureModule('a', [], {
    '100-t.sql': early.files[1]?.text ?? '',
    '200-a.sql': early.files[0]?.text ?? '',
  })

  assert.ok(bundleModules(await planModules([early])).includes('set local check_function_bodies = off;'))
  assert.ok(!bundleModules(await planModules([late])).includes('check_function_bodies'))
})
