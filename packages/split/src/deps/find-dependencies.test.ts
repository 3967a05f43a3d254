import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkOwnerMap } from '../map/check-owner-map.ts'
import { foreignKey, sharedColumn, sharedTable } from '../map/owner-map.fixture.ts'
import { readOwnerMap } from '../map/read-owner-map.ts'
import type { Change, LogTransaction } from '../model.ts'
import type { SharedCatalog } from '../side.ts'
import type { Findings } from './dependency.ts'
import { findDependencies, type DependencySources } from './find-dependencies.ts'
import { fromDigests, fromPgStatStatements } from './sources/statistics.ts'

const catalog: SharedCatalog = {
  tables: [
    sharedTable('orders', {
      columns: [sharedColumn('id'), sharedColumn('created_by'), sharedColumn('payer'), sharedColumn('note', true)],
      foreignKeys: [
        foreignKey('created_by', 'users'),
        foreignKey('payer', 'users'),
        foreignKey('note', 'users'),
        foreignKey('id', 'bills', { onDelete: 'cascade' }),
      ],
    }),
    sharedTable('users'),
    sharedTable('bills', {
      columns: [sharedColumn('id'), { ...sharedColumn('label'), generated: 'shop.name_of(id)' }],
    }),
    sharedTable('codes'),
  ],
  views: [
    {
      schema: 'shop',
      name: 'order_names',
      kind: 'view',
      body: 'select 1 from orders o join users u on u.id = o.payer',
    },
  ],
  routines: [{ schema: 'shop', name: 'name_of', kind: 'function', body: 'begin return (select name from users); end' }],
  triggers: [
    {
      schema: 'shop',
      name: 'tell',
      kind: 'trigger',
      body: 'begin insert into bills select 1 from users; end',
      table: { schema: 'shop', name: 'orders' },
    },
  ],
}
const map = checkOwnerMap(
  readOwnerMap(
    `services: { sales: {}, auth: {}, billing: {} }
tables:
  orders: sales
  users: { owner: auth, copies: [sales] }
  bills: billing
  codes: shared-read`,
    'map.yaml',
  ),
  catalog,
  { source: 'shop' },
)

function find(sources: Partial<DependencySources>): Promise<Findings> {
  return findDependencies({ catalog, dialect: 'postgres', map, ...sources })
}

test('findDependencies: chooses a way out for each by its rules', async () => {
  const { dependencies, looked } = await find({})

  assert.deepEqual(
    dependencies.map(({ kind, from, to, wayOut, settled }) => [
      kind,
      from.service,
      from.object,
      to.table.name,
      wayOut,
      settled,
    ]),
    [
      ['generated column', 'billing', 'shop.bills.label', 'users', 'denormalise', false],
      ['foreign key', 'sales', 'shop.orders.created_by_users', 'users', 'own id', true],
      ['foreign key', 'sales', 'shop.orders.id_bills', 'bills', 'loose foreign key', true],
      ['foreign key', 'sales', 'shop.orders.note_users', 'users', 'own id', true],
      ['foreign key', 'sales', 'shop.orders.payer_users', 'users', 'loose foreign key', true],
      ['trigger', 'sales', 'tell on shop.orders', 'bills', 'event', false],
      ['trigger', 'sales', 'tell on shop.orders', 'users', 'local copy', true],
      ['view', 'sales', 'shop.order_names', 'users', 'local copy', true],
    ],
  )
  assert.deepEqual(looked, { 'foreign keys': 4, views: 1, functions: 1, triggers: 1, 'expressions of columns': 1 })
})

test('findDependencies: counts the same statement of the statistics together, and takes calls apart from copies', async () => {
  const rows = [
    { queryid: '1', query: 'select * from bills b join users u on u.id = b.id where b.id = $1', calls: 5_000 },
    { queryid: '2', query: 'SELECT * FROM bills b\n JOIN users u ON u.id = b.id WHERE b.id = $1', calls: 10 },
    { queryid: '3', query: 'update orders set note = $1 from codes', calls: 1 },
    { queryid: '4', query: null, calls: 7 },
  ]

  const { dependencies, unknown } = await find({ statements: [fromPgStatStatements(rows)] })

  const found = dependencies.filter(({ kind }) => kind === 'statement')
  assert.deepEqual(
    found.map(({ from, to, count, wayOut, evidence }) => [from.service, to.table.name, count, wayOut, evidence]),
    [['billing', 'users', 5_010, 'local copy', ['pg_stat_statements 1', 'pg_stat_statements 2']]],
  )
  assert.deepEqual(
    unknown.map(({ reason, count }) => [reason, count]),
    [['the server does not show the text', 7]],
  )
})

test('findDependencies: a digest that is cut is unknown, also when what is left of it is clean', async () => {
  const seen = { count: 3, lastSeen: new Date('2026-11-26T10:00:00Z') }
  const rows = [
    { digest: 'a', digestText: 'SELECT `x` FROM `orders` WHERE `id` IN (...)', ...seen },
    { digest: 'b', digestText: 'SELECT `x` FROM `orders` WHERE `note` = ? ...', ...seen },
    { digest: 'c', digestText: `SELECT ${'`long_column` , '.repeat(70)} FROM \`orders\``, ...seen },
    { digest: null, digestText: null, ...seen },
    { digest: 'e', digestText: 'SELECT * FROM `orders` JOIN `users` ON `payer` = ...', ...seen },
  ]

  const { unknown, dependencies } = await find({ dialect: 'mariadb', statements: [fromDigests(rows)] })

  assert.deepEqual(
    unknown.map(({ evidence }) => evidence),
    [['digest b'], ['digest c'], ['digest none'], ['digest e']],
  )
  assert.deepEqual(
    unknown.map(({ lastSeen }) => lastSeen),
    Array(4).fill(seen.lastSeen),
  )
  assert.deepEqual(
    dependencies.filter(({ kind }) => kind === 'statement').map(({ from, to }) => [from.service, to.table.name]),
    [['sales', 'users']],
  )
})

test('findDependencies: a statement that is cut is unknown, also when the same one was seen whole before', async () => {
  const seen = { evidence: 'log', count: 1, lastSeen: null }
  const texts = [
    'select * from orders',
    'select * from orders /* by',
    'select * from orders `',
    "select * from orders where note = 'x",
  ]

  const { unknown } = await find({ statements: [texts.map((text) => ({ ...seen, text }))], dialect: 'mariadb' })

  assert.deepEqual(
    unknown.map(({ reason }) => reason),
    Array(2).fill('the text is cut'),
  )
  assert.equal(
    unknown.reduce((sum, { count }) => sum + count, 0),
    3,
  )
})

test('findDependencies: reads the SQL in source code, and says where it cannot', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-source-'))
  try {
    await mkdir(join(directory, 'node_modules'))
    const files: Record<string, string> = {
      'a.ts': `// "select * from bills join orders"\nconst q = 'select * from bills b ' +\n  'join users u on u.id = b.id'\nconst label = 'Select a user from the list'\n`,
      'b.py': `sql = """\n  update orders set note = %s\n  where id in (select id from bills)"""\nrows = f"select * from {table}"\n`,
      'c.php': `<?php $q = "insert into bills select * from users where id = $id"; # 'select * from orders join bills'\n`,
      'D.java': `String q = "select * from codes c, bills b";`,
      'e.sql': `select 1;\n\nselect * from orders o, bills b;\n`,
      'f.ts': `for (const order of orders) await authClient.user(order.userId)\n`,
      'g.js': `for (const of`,
      'node_modules/f.js': `'select * from orders join bills'`,
    }
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)

    const { dependencies, unknown, loopCalls, looked } = await find({ dialect: 'mariadb', folders: [{ directory }] })

    assert.deepEqual(
      dependencies
        .filter(({ kind }) => kind === 'source code')
        .map(({ from, to, evidence, writes }) => [evidence[0], from.service, to.table.name, writes])
        .toSorted((a, b) => String(a[0]).localeCompare(String(b[0]))),
      [
        ['a.ts:2', 'billing', 'users', false],
        ['b.py:1', 'sales', 'bills', false],
        ['c.php:1', 'billing', 'users', false],
        ['e.sql:3', 'sales', 'bills', false],
      ],
    )
    assert.deepEqual(
      unknown.map(({ evidence, reason }) => [evidence[0], reason]),
      [
        ['b.py:4', 'the name of a table is computed'],
        ['g.js', 'it cannot be parsed'],
      ],
    )
    assert.deepEqual(
      loopCalls.map(({ object, evidence, reason }) => [object, evidence, reason]),
      [['f.ts: authClient.user', ['f.ts:1'], 'asks auth once for each element: ask once for all of them']],
    )
    assert.equal(looked['source files'], 7)
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('findDependencies: code of a service may use its own tables and copies only', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-source-'))
  try {
    await writeFile(
      join(directory, 'a.js'),
      '`select * from bills where id = ${id}`; `select * from users`; "select * from orders"',
    )

    const { dependencies } = await find({ folders: [{ directory, service: 'sales' }] })

    const found = dependencies.filter(({ kind }) => kind === 'source code')
    assert.deepEqual(
      found.map(({ to, settled }) => [to.table.name, settled]),
      [
        ['bills', false],
        ['users', true],
      ],
    )
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('findDependencies: groups the transactions that write rows of several services', async () => {
  const at = (minute: number) => new Date(Date.UTC(2026, 10, 26, 10, minute))
  const transactions = [
    transaction('0/1', at(1), 'orders', 'bills'),
    transaction('0/2', at(2), 'orders'),
    transaction('0/3', at(3), 'bills', 'orders', 'orders'),
    transaction('0/4', at(4)),
    transaction('0/5', at(5), 'users', 'codes'),
  ]

  const { dependencies, looked } = await find({ transactions: stream(transactions) })

  assert.deepEqual(
    dependencies
      .filter(({ kind }) => kind === 'transaction')
      .map(({ from, to, count, lastSeen, wayOut }) => [from, to.table.name, count, lastSeen, wayOut]),
    [
      [{ service: 'billing', object: 'shop.bills + shop.orders' }, 'orders', 1, at(3), 'event'],
      [{ service: 'sales', object: 'shop.bills + shop.orders' }, 'bills', 1, at(1), 'event'],
    ],
  )
  assert.equal(looked['transactions'], 4)
})

async function* stream(transactions: readonly LogTransaction[]): AsyncGenerator<LogTransaction> {
  yield* transactions
}

function transaction(position: string, committedAt: Date, ...tables: string[]): LogTransaction {
  const changes = tables.map((name): Change => {
    const table = { schema: 'shop', name }
    return { table: { source: table, target: table, columns: [], key: [] }, kind: 'delete', key: [] }
  })
  return { position, committedAt, changes }
}
