import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addTable, soundCatalog } from '../../../../tests/support/catalog-builder.ts'
import type { Table } from '../catalog/model.ts'
import { classOf, isAppendOnly, isProtected, makeContext, retentionOf, scopeOf } from './context.ts'
import { matchesName } from './match-name.ts'
import { defaultPolicy, type TablePolicy } from './policy.ts'

const tables: TablePolicy[] = [
  { match: 'b.visits', class: 'phi', retention: '10y' },
  { match: 'b.*_log', appendOnly: true },
  { match: 'b.countries', scope: 'global' },
  { match: 'b.*', scope: 'tenant', class: 'operational' },
]

function contextOf(change: (things: Table) => void = () => {}) {
  const catalog = soundCatalog((_, things) => change(things))
  for (const name of ['visits', 'change_log', 'countries', 'other']) addTable(catalog, 'b', name, 'No tags here.')
  const context = makeContext(catalog, { ...defaultPolicy, tables })
  return { context, table: (name: string) => catalog.tables.get(name)! }
}

test('scopeOf, classOf: the policy says what a comment without tags does not', () => {
  const { context, table } = contextOf()

  assert.equal(scopeOf(table('b.visits'), context), 'tenant')
  assert.equal(scopeOf(table('b.countries'), context), 'global')
  assert.equal(classOf(table('b.visits'), context), 'phi')
  assert.equal(classOf(table('b.other'), context), 'operational')
  assert.equal(retentionOf(table('b.visits'), context), '10y')
  assert.equal(retentionOf(table('b.other'), context), null)
  assert.ok(isProtected(table('b.visits'), context))
  assert.ok(isAppendOnly(table('b.change_log'), context))
  assert.ok(!isAppendOnly(table('b.visits'), context))
})

test('scopeOf, classOf: the tags of a comment win over the policy', () => {
  const { context, table } = contextOf()
  const visits = table('b.visits')
  visits.comment = 'class=financial;scope=shared;about=Visits.'

  assert.equal(scopeOf(visits, context), 'shared')
  assert.equal(classOf(visits, context), 'financial')
})

test('scopeOf: a comment cannot take a table with the tenant column out of the isolation', () => {
  const { context, table } = contextOf((things) => {
    things.comment = 'class=operational;scope=global;about=Things.'
  })

  assert.equal(scopeOf(table('a.things'), context), 'tenant')
})

test('makeContext: the root table may be named by its scope', () => {
  const { context } = contextOf()
  const catalog = context.catalog
  const root = makeContext(catalog, { ...defaultPolicy, rootTable: '', tables: [{ match: 'b.other', scope: 'root' }] })

  assert.equal(context.rootTable?.name, 'tenants')
  assert.ok(root.tenantTables.some(({ name }) => name === 'other'))
})

for (const [pattern, name, expected] of [
  ['a.b', 'a.b', true],
  ['a.b', 'a.bc', false],
  ['a.*', 'a.b', true],
  ['a.*', 'ab.c', false],
  ['*', 'a.b', true],
  ['*_log', 'a.change_log', true],
  ['a.(b', 'a.(b', true],
  ['a.(*', 'a.(b', true],
] as const) {
  test(`matchesName: '${name}' ${expected ? 'fits' : 'does not fit'} '${pattern}'`, () => {
    assert.equal(matchesName(pattern, name), expected)
  })
}
