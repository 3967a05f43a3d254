import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { foreignKey, sharedColumn, sharedTable } from '../../map/owner-map.fixture.ts'
import type { SharedTable } from '../../model.ts'
import { mapTables } from '../../types/map-tables.ts'
import { deriveServiceSchema, type DerivedServiceSchema } from './derive-service-schema.ts'
import { Names } from './names.ts'

function derive(
  tables: readonly SharedTable[],
  own = tables.map(({ name }) => name),
  target?: (table: SharedTable) => { schema: string; name: string },
): DerivedServiceSchema {
  const facts = () => ({ rows: 0, columns: new Map() })
  const mapped = mapTables(tables, { facts, ...(target ? { target } : {}) })
  return deriveServiceSchema(
    { tables, views: [], routines: [], triggers: [] },
    mapped.tables.filter(({ source }) => own.includes(source.name)),
  )
}

const column = (name: string, type: string, collation: string | null = null) => ({
  ...sharedColumn(name),
  type,
  collation,
})

void test('deriveServiceSchema: keys inside of the service are made, others are named', () => {
  const orders = sharedTable('orders', {
    columns: [sharedColumn('id'), sharedColumn('customer'), sharedColumn('parent', true)],
    foreignKeys: [
      foreignKey('customer', 'customers'),
      foreignKey('parent', 'orders', { name: 'tree', onDelete: 'set null', onUpdate: 'cascade' }),
    ],
  })

  const derived = derive([sharedTable('customers'), orders], ['orders'])

  assert.deepEqual(derived.foreignKeys, [
    {
      table: { schema: 'public', name: 'orders' },
      name: 'tree',
      columns: ['parent'],
      references: { schema: 'public', name: 'orders', columns: ['id'] },
      onDelete: 'set null',
      onUpdate: 'cascade',
    },
  ])
  assert.match(
    derived.files['V002__keys.sql'],
    /foreign key \(parent\) references public.orders \(id\) on delete set null on update cascade;/,
  )
  assert.deepEqual(derived.leftOut, [
    {
      object: 'foreign key customer_customers on shop.orders',
      reason: 'shop.customers is no table of this service',
      wayOut: 'keep it as a loose foreign key',
    },
  ])
})

void test('deriveServiceSchema: a key that points to something that is not unique is left out', () => {
  const parents = sharedTable('parents', {
    columns: [sharedColumn('id'), column('code', 'varchar(9)'), sharedColumn('n')],
    indexes: [
      { name: 'n', unique: false, columns: ['n'] },
      { name: 'code', unique: true, columns: ['code'], parts: [{ prefix: 3, descending: false }] },
    ],
  })
  const children = sharedTable('children', {
    columns: [sharedColumn('id'), column('code', 'varchar(9)'), sharedColumn('n')],
    foreignKeys: ['n', 'code'].map((name) =>
      foreignKey(name, 'parents', { references: { schema: 'shop', name: 'parents', columns: [name] } }),
    ),
  })

  const { leftOut, foreignKeys } = derive([parents, children])

  assert.deepEqual(foreignKeys, [])
  assert.deepEqual(
    leftOut.map(({ reason }) => reason),
    ['n of shop.parents is not unique', 'code of shop.parents is not unique'],
  )
})

void test('deriveServiceSchema: columns of keys and indexes have a collation, others have none', () => {
  const ci = 'utf8mb4_unicode_ci'
  const table = sharedTable('words', {
    columns: [
      column('id', 'varchar(9)', ci),
      column('found', 'varchar(9)', 'utf8mb4_uca1400_as_ci'),
      column('plain', 'varchar(9)', ci),
      column('exact', 'varchar(9)', 'utf8mb4_bin'),
    ],
    indexes: [{ name: 'found', unique: false, columns: ['found', 'exact'] }],
  })

  const tables = derive([table]).files['V001__tables.sql']

  assert.match(tables, /create collation if not exists public.mariadb_ai_ci /)
  assert.match(tables, /create collation if not exists public.mariadb_as_ci /)
  assert.doesNotMatch(tables, /mariadb_ai_cs/)
  assert.match(tables, / id character varying\(9\) collate public.mariadb_ai_ci not null,/)
  assert.match(tables, / found character varying\(9\) collate public.mariadb_as_ci not null,/)
  assert.match(tables, / plain character varying\(9\) not null,/)
  assert.match(tables, / exact character varying\(9\) not null,/)
})

void test('deriveServiceSchema: defaults that the chosen types do not hold are left out', () => {
  const defaults: [type: string, inside: string, outside: string][] = [
    ['tinyint(1)', '1', '2'],
    ['time', `'24:00:00'`, `'24:00:01'`],
    ['time', `'23:59:59'`, `'-00:00:01'`],
    ['time(3)', `'09:00:00.000'`, `'100:00:00.000'`],
    ['bigint(20) unsigned', '9223372036854775807', '18446744073709551615'],
  ]
  const columns = defaults.flatMap(([type, inside, outside], at) => [
    { ...column(`in${at}`, type), default: inside },
    { ...column(`out${at}`, type), default: outside },
  ])

  const { files, leftOut } = derive([sharedTable('shifts', { columns: [sharedColumn('id'), ...columns] })])

  assert.deepEqual(
    leftOut.map(({ object }) => object),
    defaults.map((_, at) => `default of out${at} on shop.shifts`),
  )
  assert.match(files['V001__tables.sql'], / in0 boolean not null default true,/)
  assert.match(files['V001__tables.sql'], / in1 time\(0\) without time zone not null default '24:00:00',/)
})

void test('deriveServiceSchema: tables may have other names and schemas, and names that need quotes', () => {
  const table = sharedTable('Order', {
    columns: [sharedColumn('id'), sharedColumn('select')],
    indexes: [{ name: 'by select', unique: false, columns: ['select'] }],
  })

  const { files } = derive([table], undefined, () => ({ schema: 'my lab', name: 'Orders' }))

  assert.match(files['V001__tables.sql'], /create schema if not exists "my lab";/)
  assert.match(files['V001__tables.sql'], /create table if not exists "my lab"."Orders" \(/)
  assert.match(
    files['V002__keys.sql'],
    /create index if not exists "Orders_by select" on "my lab"."Orders" \("select"\);/,
  )
})

void test('deriveServiceSchema: indexes of the same name on two tables get two names', () => {
  const indexes = [{ name: 'b_c', unique: false, columns: ['id'] }]
  const tables = [
    sharedTable('a', { indexes }),
    sharedTable('a_b', { indexes: [{ name: 'c', unique: true, columns: ['id'] }] }),
    sharedTable('d', { indexes }),
  ]

  const names = Array.from(
    derive(tables).files['V002__keys.sql'].matchAll(/if not exists (\w+) on/g),
    ([, name]) => name,
  )

  assert.deepEqual(names, ['a_b_c', 'a_b_c_2', 'd_b_c'])
})

void test('Names: gives every name once, and none that PostgreSQL would cut', () => {
  const name = fc.oneof(
    fc.constantFrom('a', 'a_2', 'x'.repeat(63)),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 90 }),
  )
  fc.assert(
    fc.property(fc.array(name, { maxLength: 20 }), (wanted) => {
      const names = new Names(['taken'])

      const given = [...wanted, 'taken'].map((one) => names.take(one))

      assert.equal(new Set([...given, 'taken']).size, wanted.length + 2)
      assert.ok(given.every((one) => Buffer.byteLength(one) <= 63))
    }),
  )
})
