import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mariadbDatabase, mariadbServer, needsMariadb, startMariadb } from '../../../../tests/support/mariadb.ts'
import type { OwnedForeignKey } from '../side.ts'
import { mapDatabase } from './map-database.fixture.ts'
import { openMariadbSide } from './open-mariadb-side.ts'
import { closing } from './postgres-twin.fixture.ts'
import { openSession } from './session.ts'

const options = { skip: needsMariadb }

void test('openMariadbSide: describes tables, keys, views, routines, events and triggers', options, async () => {
  await using source = await mariadbDatabase(
    `create table users (id bigint unsigned auto_increment primary key, email varchar(100) not null unique comment 'where to write')`,
    `create table orders (id int primary key, user_id bigint unsigned not null, data json, total decimal(10,2) not null default 1.50,
       twice decimal(10,2) as (total * 2) virtual, key by_user (user_id, total),
       constraint orders_user foreign key (user_id) references users (id) on delete cascade)`,
    'create view totals as select user_id, sum(total) as total from orders group by user_id',
    'create procedure p() select count(*) from users',
    'create event e on schedule every 1 day do delete from orders',
    'create trigger t after insert on orders for each row set @n = 1',
  )
  await using side = closing(await openMariadbSide(source.url))

  const catalog = await side.catalog()

  const [orders, users] = catalog.tables
  assert.equal(side.label, `127.0.0.1:${(await mariadbServer()).port}/${source.name}`)
  assert.deepEqual(
    orders?.columns.map(({ name, type, default: value, generated }) => [name, type, value, generated !== null]),
    [
      ['id', 'int(11)', null, false],
      ['user_id', 'bigint(20) unsigned', null, false],
      ['data', 'json', null, false],
      ['total', 'decimal(10,2)', '1.50', false],
      ['twice', 'decimal(10,2)', null, true],
    ],
  )
  assert.deepEqual(
    [orders?.primaryKey, orders?.indexes.map(({ name, unique, columns }) => ({ name, unique, columns }))],
    [['id'], [{ name: 'by_user', unique: false, columns: ['user_id', 'total'] }]],
  )
  assert.deepEqual(orders?.foreignKeys, [
    {
      name: 'orders_user',
      columns: ['user_id'],
      references: { schema: source.name, name: 'users', columns: ['id'] },
      onDelete: 'cascade',
      onUpdate: 'restrict',
    },
  ])
  assert.deepEqual(
    users?.columns.map(({ name, identity, comment }) => [name, identity, comment]),
    [
      ['id', true, ''],
      ['email', false, 'where to write'],
    ],
  )
  assert.deepEqual(
    [...catalog.views, ...catalog.routines, ...catalog.triggers].map(({ name, kind }) => `${kind} ${name}`),
    ['view totals', 'procedure p', 'event e', 'trigger t'],
  )
  assert.ok(Math.abs((await side.clock()).getTime() - Date.now()) < 5000)
})

void test('obstacles: names what keeps tables from being moved, with the way out', options, async () => {
  await using source = await mariadbDatabase(
    'create table plain (id int primary key)',
    'create table keyless (id int)',
    'create table old (id int primary key) engine = MyISAM',
    'create table places (id int primary key, at point)',
    `create user 'poor_${process.pid}'@'%'`,
  )
  await source.run(`grant select, insert on ${source.name}.* to 'poor_${process.pid}'@'%'`)
  const { tables } = await mapDatabase(source.url)
  const plain = tables.filter(({ source: { name } }) => name === 'plain')
  await using side = closing(await openMariadbSide(source.url))
  const url = new URL(source.url)
  url.username = `poor_${process.pid}`
  await using poor = closing(await openMariadbSide(url.href))

  const found = await side.obstacles(tables)
  const rights = await poor.obstacles(plain)
  await source.run('set global binlog_row_image = MINIMAL')
  const image = await side.obstacles(plain).finally(() => source.run('set global binlog_row_image = FULL'))

  assert.deepEqual(await side.obstacles(plain), [])
  assert.deepEqual(
    found.map(({ code }) => code),
    ['IMH_SPLIT_NO_KEY', 'IMH_SPLIT_ENGINE', 'IMH_SPLIT_TYPE'],
  )
  assert.deepEqual(
    rights.map(({ code }) => code),
    ['IMH_SPLIT_RIGHTS', 'IMH_SPLIT_RIGHTS'],
  )
  assert.match(rights[1]?.hint ?? '', /log_bin_trust_function_creators/)
  assert.match(
    rights[0]?.hint ?? '',
    /grant REPLICATION SLAVE, REPLICATION CLIENT on \*\.\* to USER; grant UPDATE, DELETE/,
  )
  assert.deepEqual(
    image.map(({ code }) => code),
    ['IMH_SPLIT_BINLOG_FORMAT'],
  )
})

void test('obstacles: triggers that could not be made again as they are', options, async () => {
  const mover = `mover_${process.pid}`
  await using source = await mariadbDatabase(
    'create table plain (id int primary key, note varchar(9))',
    `create trigger ours before insert on plain for each row set new.note = 'x'`,
    'set names latin1',
    `create trigger french before insert on plain for each row set new.note = 'd\u00e9c\u00e8s'`,
    'set names utf8mb4',
    `create user '${mover}'@'%'`,
    `grant replication slave, binlog monitor on *.* to '${mover}'@'%'`,
    'set global log_bin_trust_function_creators = 1',
  )
  await source.run(`grant all on ${source.name}.* to '${mover}'@'%'`)
  const { tables } = await mapDatabase(source.url)
  const url = new URL(source.url)
  url.username = mover
  await using side = closing(await openMariadbSide(url.href))

  const without = await side.obstacles(tables)
  await source.run(`grant set user on *.* to '${mover}'@'%'`)
  const withRight = await side.obstacles(tables)
  await source.run('set global log_bin_trust_function_creators = 0')
  const untrusted = await side.obstacles(tables)

  const codes = (found: readonly { code: string }[]) => found.map(({ code }) => code)
  assert.deepEqual(codes(without), ['IMH_SPLIT_RIGHTS', 'IMH_SPLIT_TRIGGER'])
  assert.match(without[0]?.message ?? '', /another user has defined: french, ours/)
  assert.deepEqual(codes(withRight), ['IMH_SPLIT_TRIGGER'])
  assert.deepEqual(codes(untrusted), ['IMH_SPLIT_RIGHTS', 'IMH_SPLIT_TRIGGER'])
})

void test('obstacles: a server without a binlog is told', options, async () => {
  const server = await startMariadb({ log_bin: '0', skip_log_bin: '1' })
  try {
    const session = await openSession(server.url())
    await session.run('create database here')
    await session.close()
    const side = await openMariadbSide(server.url('here'))
    assert.deepEqual(
      (await side.obstacles([])).map(({ code }) => code),
      ['IMH_SPLIT_NO_BINLOG'],
    )
    await side.close()
  } finally {
    await server.remove()
  }
})

void test('foreign keys: are dropped and put back once, and not over orphans', options, async () => {
  await using source = await mariadbDatabase(
    'create table users (id int primary key)',
    'create table orders (id int primary key, user_id int, constraint of_user foreign key (user_id) references users (id))',
    'insert into users values (1)',
    'insert into orders values (1, 1)',
  )
  await using side = closing(await openMariadbSide(source.url))
  const keys = async () =>
    (await side.catalog()).tables.flatMap(({ schema, name, foreignKeys }) =>
      foreignKeys.map((key): OwnedForeignKey => ({ ...key, table: { schema, name } })),
    )
  const before = await keys()

  await side.dropForeignKeys(before)
  await side.dropForeignKeys(before)
  assert.deepEqual(await keys(), [])
  await source.run('delete from users')
  await assert.rejects(side.restoreForeignKeys(before), { code: 'IMH_SPLIT_ORPHANS' })
  await source.run('insert into users values (1)')
  await side.restoreForeignKeys(before)
  await side.restoreForeignKeys(before)

  assert.deepEqual(await keys(), before)
})

void test('tables that are set aside: are renamed once, counters moved on, and dropped', options, async () => {
  await using source = await mariadbDatabase(
    'create table users (id int auto_increment primary key)',
    'create table orders (id int auto_increment primary key, user_id int, foreign key (user_id) references users (id))',
    'insert into users values (41)',
  )
  const { tables } = await mapDatabase(source.url)
  await using side = closing(await openMariadbSide(source.url))
  await using client = closing(await openSession(source.url))

  await side.advanceSequences(tables, 1000)
  await client.run('insert into users values ()')
  await side.setAside(tables)
  await side.setAside(tables)
  const aside = (await side.catalog()).tables.map(({ name }) => name)
  const [[id]] = (await client.rows('select max(id) from zz_moved_users')) as [[string]]
  await side.dropSetAside(tables)
  await side.dropSetAside(tables)

  assert.equal(id, '1042')
  assert.deepEqual(aside, ['zz_moved_orders', 'zz_moved_users'])
  assert.deepEqual((await side.catalog()).tables, [])
})
