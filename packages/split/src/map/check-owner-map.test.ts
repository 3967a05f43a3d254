import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkOwnerMap } from './check-owner-map.ts'
import { OwnerMapError } from './errors.ts'
import { sharedColumn, sharedTable } from './owner-map.fixture.ts'
import { readOwnerMap } from './read-owner-map.ts'

const catalog = {
  tables: [
    sharedTable('orders'),
    sharedTable('users'),
    sharedTable('log', { primaryKey: [], columns: [sharedColumn('a'), sharedColumn('b'), sharedColumn('c', true)] }),
  ],
}
const sound = `
services:
  sales: {}
  auth: { database: people }
tables:
  orders: { owner: sales, zeroDate: null, columns: { id: { zeroDate: { sentinel: '1900-01-01' } } } }
  users: { owner: auth, copies: [sales] }
  shop.log: { owner: shared-read, key: [a, b] }
`

test('checkOwnerMap: gives every service its tables, their keys and a database', () => {
  const map = checkOwnerMap(readOwnerMap(sound, 'map.yaml'), catalog, { source: 'shop' })

  const services = map.services.map(({ name, database, tables }) => [
    name,
    database,
    tables.map(({ table }) => table.name),
  ])
  assert.deepEqual(services, [
    ['sales', 'shop_sales', ['orders']],
    ['auth', 'people', ['users']],
  ])
  assert.deepEqual(
    map.tables.map(({ owner, copies, key }) => [owner, copies, key]),
    [
      ['sales', [], ['id']],
      ['auth', ['sales'], ['id']],
      ['shared-read', [], ['a', 'b']],
    ],
  )
  assert.deepEqual(
    ['id', 'at'].map((column) => map.tables[0]?.zeroDate(column)),
    [{ sentinel: '1900-01-01' }, 'null'],
  )
})

test('checkOwnerMap: tells everything that is wrong at once, each with its place and way out', () => {
  const text = `services:
  sales: {}
  auth: { database: shop }
  auth: {}
tables:
  orders: sales
  shop.orders: auth
  userz: auth
  log: { owner: salse, copies: [nobody, sales, sales], key: [a, c, d] }
`

  const error = problemsOf(text)

  assert.deepEqual(error.message.split('\n'), [
    `m.yaml:8:3: table 'userz' does not exist (did you mean 'users'? else remove the line)`,
    `m.yaml:7:3: table 'shop.orders' has two owners: 'sales' in line 6 and 'auth' (keep one line; a service that only reads is named in \`copies\`)`,
    `m.yaml: table shop.users has no owner (add 'users: <service>' or 'users: shared-read')`,
    `m.yaml:9:3: unknown service 'salse' as owner of 'log' (did you mean 'sales'? else add it to 'services')`,
    `m.yaml:9:3: unknown service 'nobody' in copies of 'log' (add 'nobody: {}' to 'services')`,
    `m.yaml:9:3: a service stands twice in copies of 'log' (remove one)`,
    `m.yaml:9:3: column 'c' in the key of 'log' may be null (make it not null first)`,
    `m.yaml:9:3: table 'log' has no column 'd' (did you mean 'a'?)`,
    `m.yaml:3:3: the database of 'auth' is the shared one (give it another: { database: ... })`,
    `m.yaml:4:3: service 'auth' stands there twice (line 3) (remove one)`,
  ])
})

test('checkOwnerMap: refuses a table without a key, a key too many, and a name that two schemas know', () => {
  const tables = [...catalog.tables, sharedTable('orders', { schema: 'old' })]
  const text = `services: { a: {} }\ntables:\n  orders: a\n  log: a\n  users: { owner: a, key: [id] }\n`

  const error = problemsOf(text, tables)

  assert.deepEqual(
    error.problems.map(({ message }) => message),
    [
      `'orders' may be shop.orders or old.orders`,
      'table shop.orders has no owner',
      `table 'users' has a primary key of its own`,
      `table 'log' has no primary key`,
      'table old.orders has no owner',
    ],
  )
})

test('checkOwnerMap: a table with a counter but without a key is not told to have a second one', () => {
  const counted = sharedTable('log', { columns: [{ ...sharedColumn('id'), identity: true }], primaryKey: [] })

  const [problem] = problemsOf('services: { a: {} }\ntables: { log: a }', [counted]).problems

  assert.match(problem?.wayOut ?? '', /add column row_id uuid not null invisible default uuid\(\) primary key/)
})

test('checkOwnerMap: refuses names that PostgreSQL would cut off', () => {
  const [longest, tooLong, column] = ['t'.repeat(63), 't'.repeat(64), 'é'.repeat(32)]
  const tables = [sharedTable(longest), sharedTable(tooLong, { columns: [sharedColumn('id'), sharedColumn(column)] })]

  const { problems } = problemsOf(`services: { a: {} }\ntables: { ${longest}: a, ${tooLong}: a }`, tables)

  assert.deepEqual(
    problems.map(({ message }) => message),
    [
      `the name of table '${tooLong}' is longer than 63 bytes`,
      `the name of column '${column}' of '${tooLong}' is longer than 63 bytes`,
    ],
  )
})

test('checkOwnerMap: a map is accepted if and only if every table has exactly one owner that exists', () => {
  const owner = fc.constantFrom('a', 'b', 'shared-read', 'unknown')
  const lines = fc.array(fc.record({ table: fc.constantFrom('t1', 't2', 't3', 't4'), owner, withSchema: fc.boolean() }))
  fc.assert(
    fc.property(lines, (lines) => {
      const tables = ['t1', 't2', 't3'].map((name) => sharedTable(name))
      const text = ['services: { a: {}, b: {} }', 'tables:']
        .concat(lines.map(({ table, owner, withSchema }) => `  ${withSchema ? 'shop.' : ''}${table}: ${owner}`))
        .join('\n')
      const isTotal =
        tables.every(({ name }) => lines.filter(({ table }) => table === name).length === 1) &&
        lines.every(({ table, owner }) => table !== 't4' && owner !== 'unknown')

      assert.equal(isAccepted(text, tables), isTotal)
    }),
    { numRuns: 500 },
  )
})

function problemsOf(text: string, tables = catalog.tables): OwnerMapError {
  try {
    checkOwnerMap(readOwnerMap(text, 'm.yaml'), { tables }, { source: 'shop' })
  } catch (error) {
    if (error instanceof OwnerMapError) return error
    throw error
  }
  throw new Error('the map was accepted')
}

function isAccepted(text: string, tables: readonly ReturnType<typeof sharedTable>[]): boolean {
  try {
    checkOwnerMap(readOwnerMap(text, 'm.yaml'), { tables }, { source: 'shop' })
    return true
  } catch (error) {
    assert.ok(error instanceof OwnerMapError)
    return false
  }
}

const retired = [
  { name: 'auth', database: 'people', tables: [{ source: { schema: 'shop', name: 'users' } }] },
  { name: 'stock', database: 'shop_stock', tables: [{ source: { schema: 'shop', name: 'goods' } }] },
]
const afterRetire = { tables: [sharedTable('orders'), sharedTable('zz_moved_users')] }

test('checkOwnerMap: what has moved for good may stay in the map, with other readers, and needs no owner where it lies aside', () => {
  const text = `
services: { sales: {}, auth: { database: people }, stock: {} }
tables: { orders: sales, users: { owner: auth, copies: [sales] } }
`
  const map = checkOwnerMap(readOwnerMap(text, 'map.yaml'), afterRetire, { source: 'shop', retired })

  assert.deepEqual(
    map.tables.map(({ table }) => table.name),
    ['orders'],
  )
  assert.deepEqual(map.moved, [{ table: { schema: 'shop', name: 'users' }, owner: 'auth', copies: ['sales'] }])
  assert.deepEqual(
    map.services.map(({ name, database }) => [name, database]),
    [
      ['sales', 'shop_sales'],
      ['auth', null],
      ['stock', null],
    ],
  )
})

test('checkOwnerMap: a service that has moved for good keeps its tables and its database, and gets no others', () => {
  const text = `
services: { sales: {}, auth: {} }
tables: { orders: auth, users: { owner: sales, copies: [lab] } }
`
  assert.throws(
    () => checkOwnerMap(readOwnerMap(text, 'map.yaml'), afterRetire, { source: 'shop', retired }),
    (error) => {
      assert.ok(error instanceof OwnerMapError)
      assert.deepEqual(
        error.problems.map(({ line, message }) => [line, message]),
        [
          [3, "'auth' has moved for good and does not get 'orders' any more"],
          [3, "unknown service 'lab' in copies of 'users'"],
          [3, "table 'users' has moved to 'auth' for good"],
          [2, "the database of 'auth' is 'people' for good"],
          [undefined, "service 'stock' has moved for good and is missing"],
        ],
      )
      return true
    },
  )
})
