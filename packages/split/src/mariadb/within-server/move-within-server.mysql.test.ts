import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mariadbDatabase, mariadbServer, needsMariadb } from '../../../../../tests/support/mariadb.ts'
import { closing } from '../postgres-twin.fixture.ts'
import { openSession, type Session } from '../session.ts'
import { moveWithinServer, undoMoveWithinServer } from './move-within-server.ts'

const options = { skip: needsMariadb }

const schema = [
  'create table users (id int primary key, name varchar(20))',
  'create table orders (id int auto_increment primary key, user_id int, n int not null, constraint orders_user foreign key (user_id) references users (id))',
  'create table items (id int primary key, order_id int, constraint items_order foreign key (order_id) references orders (id) on delete cascade)',
  'create trigger orders_ten before insert on orders for each row set new.n = new.n * 10',
  'create view names as select u.name, o.n from users u join orders o on o.user_id = u.id',
  `insert into users values (1, 'a')`,
  'insert into orders values (1, 1, 5)',
  'insert into items values (1, 1)',
]

const tablesOf = async (session: Session, database: string) =>
  (await session.rows(`show tables from \`${database}\``)).map(([name]) => name)

void test('moveWithinServer: renames a service into a database of its own, and back', options, async () => {
  await using source = await mariadbDatabase(...schema)
  await using root = closing(await openSession(source.url))
  const database = `${source.name}_lab`
  const move = { tables: ['orders', 'items'], database, user: { name: source.name, host: '%', password: `p'w` } }

  const result = await moveWithinServer(source.url, move)
  const again = await moveWithinServer(source.url, move)

  assert.deepEqual(
    { ...result, foreignKeys: result.foreignKeys.map(({ name }) => name) },
    {
      moved: ['orders', 'items'],
      foreignKeys: ['orders_user'],
      views: ['names'],
      triggers: ['orders_ten'],
    },
  )
  assert.deepEqual(again.moved, [])
  assert.deepEqual(await tablesOf(root, database), ['items', 'orders'])
  const url = new URL((await mariadbServer()).url(database))
  url.username = source.name
  url.password = encodeURIComponent(`p'w`)
  await using service = closing(await openSession(url.href))
  await service.run('insert into orders (n) values (7)')
  assert.deepEqual(await service.rows('select n from orders order by id'), [['50'], ['70']])
  await assert.rejects(service.rows(`select * from ${source.name}.users`), { code: 'ER_TABLEACCESS_DENIED_ERROR' })

  await undoMoveWithinServer(source.url, move, result.foreignKeys)
  await undoMoveWithinServer(source.url, move, result.foreignKeys)

  assert.deepEqual(await tablesOf(root, database), [])
  assert.deepEqual(await root.rows('select * from names'), [['a', '50']])
  await root.run('insert into orders (user_id, n) values (1, 1)')
  assert.equal(await root.value('select max(n) from orders where user_id = 1'), '50')
  await assert.rejects(root.run('insert into orders (user_id, n) values (99, 1)'), { code: 'ER_NO_REFERENCED_ROW_2' })
  await root.run(`drop database ${database}`)
  await root.run(`drop user '${source.name}'`)
})

void test('moveWithinServer: killed before its triggers are made, it makes them the next time', options, async () => {
  await using source = await mariadbDatabase(...schema)
  await using root = closing(await openSession(source.url))
  const database = `${source.name}_lab`
  const move = { tables: ['orders', 'items'], database }
  await moveWithinServer(source.url, move)
  const [[, sqlMode, sql]] = (await root.rows(`show create trigger ${database}.orders_ten`)) as [string[]]
  await root.run(`drop trigger ${database}.orders_ten`)
  await root.run(
    `insert into imhotep_split_triggers values ('orders', 'orders_ten', 0, '${sqlMode}', 'utf8mb4', 'utf8mb4_general_ci', '${sql}')`,
  )

  const { moved, triggers } = await moveWithinServer(source.url, move)

  assert.deepEqual([moved, triggers], [[], ['orders_ten']])
  await root.run(`insert into ${database}.orders (n) values (3)`)
  assert.equal(await root.value(`select max(n) from ${database}.orders`), '50')
  assert.equal(await root.value(`select min(n) from ${database}.orders`), '30')
  await root.run(`drop database ${database}`)
})

void test('moveWithinServer: no writer finds a table without its triggers', options, async () => {
  await using source = await mariadbDatabase(
    'create table orders (id int auto_increment primary key, n int not null)',
    'create trigger orders_ten before insert on orders for each row set new.n = new.n * 10',
  )
  await using root = closing(await openSession(source.url))
  const database = `${source.name}_lab`
  const written = { count: 0 }
  const writers = Array.from({ length: 4 }, async () => {
    await using session = closing(await openSession(source.url))
    for (;;) {
      try {
        await session.run('insert into orders (n) values (1)')
        written.count++
      } catch (error) {
        return assert.equal((error as { code?: string }).code, 'ER_NO_SUCH_TABLE')
      }
    }
  })
  while (written.count < 100) await new Promise((resolve) => setTimeout(resolve, 5))

  await moveWithinServer(source.url, { tables: ['orders'], database })
  await Promise.all(writers)

  assert.deepEqual(await root.rows(`select count(*), min(n) from ${database}.orders`), [[String(written.count), '10']])
  await root.run(`drop database ${database}`)
})
