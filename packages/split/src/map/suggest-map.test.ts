import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkOwnerMap } from './check-owner-map.ts'
import { foreignKey, sharedColumn, sharedTable } from './owner-map.fixture.ts'
import { printMap } from './print-map.ts'
import { readOwnerMap } from './read-owner-map.ts'
import { suggestMap } from './suggest-map.ts'

test('suggestMap: knows our own tables, common names, static reference and what foreign keys hold together', () => {
  const tables = [
    sharedTable('encounters'),
    sharedTable('lab_orders', { foreignKeys: [foreignKey('country', 'countries')] }),
    sharedTable('lab_tests', { foreignKeys: [foreignKey('country', 'countries')] }),
    sharedTable('specimens', {
      foreignKeys: [foreignKey('order_id', 'lab_orders', { onDelete: 'cascade' }), foreignKey('visit', 'encounters')],
    }),
    sharedTable('countries', { columns: [sharedColumn('id'), sharedColumn('title')] }),
    sharedTable('facilities', { foreignKeys: [foreignKey('country', 'countries')] }),
  ]

  const suggested = suggestMap({ tables }, [{ schema: 'ehr', name: 'encounters', service: 'clinical' }])

  assert.deepEqual(
    suggested.tables.map(({ table, owner }) => [table.name, owner]),
    [
      ['encounters', 'clinical'],
      ['lab_orders', 'lab'],
      ['lab_tests', 'lab'],
      ['specimens', 'lab'],
      ['countries', 'shared-read'],
      ['facilities', 'facility'],
    ],
  )
})

test('suggestMap: merges the smallest services into what they lead to, until a team can run them', () => {
  const tables = Array.from({ length: 30 }, (_, at) => [
    sharedTable(`word${letters(at)}_orders`, {
      foreignKeys: at === 0 ? [] : [foreignKey('id', `word${letters(at - 1)}_orders`)],
    }),
    sharedTable(`word${letters(at)}_lines`),
  ]).flat()
  const lone = ['first_log', 'second_log', 'third_log'].map((name) => sharedTable(name))

  const suggested = suggestMap({ tables: [...tables, ...lone] }, [{ schema: 'x', name: 'first_log', service: 'kept' }])

  assert.equal(suggested.services.length, 8)
  assert.ok(suggested.services.includes('kept') && suggested.services.includes('misc'))
  assert.match(suggested.tables.find(({ owner }) => owner === 'misc')?.reason ?? '', /would be small/)
})

function letters(n: number): string {
  return String.fromCharCode(97 + Math.floor(n / 26), 97 + (n % 26))
}

test('printMap: writes YAML with a reason behind every table', () => {
  const text = printMap(suggestMap({ tables: [sharedTable('lab_orders'), sharedTable('lab_tests')] }))

  assert.match(text, /^ {2}lab_orders: lab # named lab_\.\.\., as 1 more$/m)
})

test('suggestMap: proposes a key for a table without one, where its columns could be', () => {
  const keyless = { primaryKey: [], columns: [sharedColumn('a'), sharedColumn('b')] }
  const unique = { name: 'u', unique: true, columns: ['b'] }
  const tables = [
    sharedTable('with_unique', { ...keyless, indexes: [unique] }),
    sharedTable('with_nullable', { primaryKey: [], columns: [sharedColumn('b', true)], indexes: [unique] }),
    sharedTable('with_prefix', { ...keyless, indexes: [{ ...unique, parts: [{ prefix: 5, descending: false }] }] }),
    sharedTable('link', { ...keyless, foreignKeys: [foreignKey('a', 'others'), foreignKey('b', 'others')] }),
    sharedTable('log', keyless),
    sharedTable('others'),
  ]

  const keys = suggestMap({ tables }).tables.map(({ table, key }) => [table.name, key ?? null])

  assert.deepEqual(keys, [
    ['with_unique', ['b']],
    ['with_nullable', null],
    ['with_prefix', null],
    ['link', ['a', 'b']],
    ['log', null],
    ['others', null],
  ])
})

test('printMap: writes the proposed key, and says which tables need one', () => {
  const link = {
    primaryKey: [],
    columns: [sharedColumn('a'), sharedColumn('b')],
    foreignKeys: [foreignKey('a', 'lab_b')],
  }
  const tables = [sharedTable('lab_a', link), sharedTable('lab_b'), sharedTable('lab_c', { primaryKey: [] })]

  const text = printMap(suggestMap({ tables }))

  assert.match(text, /^ {2}lab_a: \{ owner: lab, key: \[ a, b \] \} # .*; no primary key: is this one\?$/m)
  assert.match(text, /^ {2}lab_c: lab # .*; no primary key$/m)
  assert.deepEqual(readOwnerMap(text, 'suggested.yaml').tables[0]?.key, ['a', 'b'])
})

test('printMap: what is suggested is accepted, whatever the tables', () => {
  const name = fc.constantFrom(
    'lab_a',
    'lab_b',
    'users',
    'user_roles',
    'x',
    '1st',
    'Orders',
    'null',
    'true',
    'a: b',
    'é',
  )
  const tables = fc.uniqueArray(
    fc.record({ schema: fc.constantFrom('s1', 's2'), name, links: fc.array(name, { maxLength: 3 }) }),
    {
      selector: ({ schema, name }) => `${schema}.${name}`,
    },
  )
  fc.assert(
    fc.property(tables, (shapes) => {
      const tables = shapes.map(({ schema, name, links }) => {
        const here = links.filter((link) => shapes.some((shape) => shape.schema === schema && shape.name === link))
        const foreignKeys = here.map((link) =>
          foreignKey('id', link, { references: { schema, name: link, columns: ['id'] } }),
        )
        return sharedTable(name, { schema, foreignKeys })
      })

      const map = readOwnerMap(printMap(suggestMap({ tables })), 'suggested.yaml')

      assert.equal(checkOwnerMap(map, { tables }, { source: 'shop' }).tables.length, tables.length)
    }),
  )
})
