import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SharedColumn, SharedForeignKey, SharedTable } from '../model.ts'
import type { ColumnFacts } from './facts.ts'
import { mapTables, type TypePolicies } from './map-tables.ts'

function table(
  name: string,
  columns: Readonly<Record<string, string>>,
  foreignKeys: SharedForeignKey[] = [],
): SharedTable {
  return {
    schema: 'shop',
    name,
    primaryKey: ['id'],
    indexes: [],
    foreignKeys,
    rows: 0,
    bytes: 0,
    columns: Object.entries(columns).map(([column, type]): SharedColumn => ({
      name: column,
      type,
      nullable: false,
      default: null,
      generated: null,
      identity: false,
      collation: null,
      comment: '',
    })),
  }
}

function map(
  tables: SharedTable[],
  facts: Readonly<Record<string, Readonly<Record<string, ColumnFacts>>>> = {},
  policies: TypePolicies = {},
) {
  const { tables: moved, findings } = mapTables(tables, {
    facts: ({ name }) => ({ rows: 1, columns: new Map(Object.entries(facts[name] ?? {})) }),
    policies: () => policies,
  })
  const types = Object.fromEntries(
    moved.flatMap(({ source, columns }) =>
      columns.map((column) => [`${source.name}.${column.name}`, column.targetType]),
    ),
  )
  return { types, findings, moved }
}

void test('mapTables: gives each type the one that holds all of its values', () => {
  const { types, findings } = map([
    table('t', {
      id: 'int(10) unsigned',
      a: 'tinyint(1)',
      b: 'tinyint(3) unsigned',
      c: 'smallint(5) unsigned',
      d: 'mediumint(8) unsigned',
      e: 'bigint(20) unsigned',
      f: 'decimal(12,4)',
      g: 'float',
      h: 'datetime(6)',
      i: 'timestamp',
      j: 'time(3)',
      k: 'char(3)',
      l: "set('a','b')",
      m: 'json',
      n: 'bit(1)',
      o: 'bit(9)',
      p: 'varbinary(9)',
      q: 'year(4)',
      r: 'inet6',
    }),
  ])

  assert.deepEqual(Object.values(types), [
    'bigint',
    'boolean',
    'smallint',
    'integer',
    'integer',
    'bigint',
    'numeric(12,4)',
    'real',
    'timestamp(6) without time zone',
    'timestamp(0) with time zone',
    'time(3) without time zone',
    'character varying(3)',
    'text[]',
    'jsonb',
    'boolean',
    'bigint',
    'bytea',
    'smallint',
    'inet',
  ])
  assert.deepEqual(findings, [])
})

void test('mapTables: one number beyond bigint makes its whole family numeric', () => {
  const key = (name: string, parent: string, column: string): SharedForeignKey => ({
    name,
    columns: [column],
    references: { schema: 'shop', name: parent, columns: ['id'] },
    onDelete: 'restrict',
    onUpdate: 'restrict',
  })
  const unsigned = 'bigint(20) unsigned'

  const { types, findings } = map(
    [
      table('users', { id: unsigned }),
      table('orders', { id: unsigned, user_id: unsigned }, [key('a', 'users', 'user_id')]),
      table('notes', { id: unsigned, author: unsigned }, [key('b', 'users', 'author')]),
    ],
    { notes: { author: { aboveBigint: 2 } } },
  )

  assert.deepEqual(types, {
    'users.id': 'numeric(20,0)',
    'orders.id': 'bigint',
    'orders.user_id': 'numeric(20,0)',
    'notes.id': 'bigint',
    'notes.author': 'numeric(20,0)',
  })
  assert.deepEqual(
    findings.map(({ column, kind, rows }) => [column, kind, rows]),
    [['author', 'number-beyond-bigint', 2]],
  )
})

void test('mapTables: what would be lost stops, or becomes what the policy says', () => {
  const shared = [
    table('t', { id: 'int(11)', born: 'date', note: 'text', flag: 'tinyint(1)', span: 'time', data: 'json' }),
  ]
  const facts = {
    t: {
      born: { zeroDates: 3 },
      note: { nulCharacters: 1 },
      flag: { notBoolean: 1 },
      span: { outsideDay: 1 },
      data: { refusedTexts: 1 },
    },
  }

  const stopped = map(shared, facts)
  const nulled = map(shared, facts, { zeroDate: 'null' })

  assert.deepEqual(
    stopped.findings.map(({ column, stops }) => [column, stops]),
    [
      ['born', true],
      ['note', true],
      ['flag', false],
      ['span', false],
      ['data', false],
    ],
  )
  assert.deepEqual(Object.values(stopped.types), ['integer', 'date', 'text', 'smallint', 'interval', 'json'])
  assert.equal(nulled.findings[0]?.stops, false)
  assert.deepEqual(nulled.moved[0]?.columns[1], {
    name: 'born',
    sourceType: 'date',
    targetType: 'date',
    nullable: true,
    zeroDate: 'null',
  })
})
