import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mariadbDatabase, needsMariadb, type MariadbDatabase } from '../../../../tests/support/mariadb.ts'
import { mapDatabase } from './map-database.fixture.ts'
import { openMariadbSide } from './open-mariadb-side.ts'
import { closing } from './postgres-twin.fixture.ts'
import { openSession } from './session.ts'

const options = { skip: needsMariadb }
const tables = [
  'create table orders (id int primary key, state varchar(9))',
  'create table orders_log (id int primary key)',
  'create table people (id int primary key, name varchar(9))',
  `insert into orders values (1, 'new'), (2, 'é')`,
  'insert into orders_log values (7)',
  `insert into people values (1, 'a'), (2, 'b')`,
]

async function movedOf(source: MariadbDatabase) {
  const mapped = await mapDatabase(source.url)
  return mapped.tables.filter(({ source: { name } }) => name === 'orders')
}

void test('setAside: views go on showing the rows of the tables that were renamed', options, async () => {
  await using source = await mariadbDatabase(
    ...tables,
    `create algorithm = merge sql security invoker view joined as
       select o.id, p.name from orders o join people p on p.id = o.id where o.id > 0 with local check option`,
    `create view accents as select orders.id, state from orders where state = 'é'`,
    'create view of_view as select * from joined',
    'create view again as select j.id from joined j join orders o on o.id = j.id',
    'create view other as select * from orders_log',
  )
  await using elsewhere = await mariadbDatabase(`create view far as select count(*) as n from ${source.name}.orders`)
  const moved = await movedOf(source)
  await using side = closing(await openMariadbSide(source.url))
  await using client = closing(await openSession(source.url))
  const kinds = () =>
    client.rows(
      `select table_name, check_option, is_updatable, definer, security_type, collation_connection, algorithm
         from information_schema.views where table_schema = database() order by 1`,
    )
  const before = await kinds()

  await side.setAside(moved)
  await side.setAside(moved)

  assert.deepEqual(await client.rows('select * from joined order by 1'), [
    ['1', 'a'],
    ['2', 'b'],
  ])
  assert.deepEqual(await client.rows('select * from accents'), [['2', 'é']])
  assert.deepEqual(await client.rows('select count(*) from of_view'), [['2']])
  assert.deepEqual(await client.rows('select count(*) from again'), [['2']])
  assert.deepEqual(await client.rows('select * from other'), [['7']])
  assert.deepEqual(await client.rows(`select n from ${elsewhere.name}.far`), [['2']])
  assert.deepEqual(await kinds(), before)
})

void test('setAside: views that may not be changed are named, and the same again changes them', options, async () => {
  await using source = await mariadbDatabase(
    ...tables,
    `create user mover_of_views identified by 'x'`,
    'create view joined as select o.id, p.name from orders o join people p on p.id = o.id',
  )
  const grant = (rights: string) => source.run(`grant ${rights} on ${source.name}.* to mover_of_views`)
  try {
    await grant('select, insert, update, delete, create, drop, alter, references, trigger, lock tables')
    const moved = await movedOf(source)
    const url = source.url.replace('root@', 'mover_of_views:x@')
    await using side = closing(await openMariadbSide(url))

    await assert.rejects(side.setAside(moved), { code: 'IMH_SPLIT_VIEWS', message: /joined/, hint: /grant/ })
    await grant('show view, create view')
    await assert.rejects(side.setAside(moved), { code: 'IMH_SPLIT_VIEWS', message: /joined/, hint: /SET USER/ })
    await source.run('grant set user on *.* to mover_of_views')
    await using again = closing(await openMariadbSide(url))
    await again.setAside(moved)

    await using client = closing(await openSession(source.url))
    assert.deepEqual(await client.rows('select count(*) from joined'), [['2']])
  } finally {
    await source.run('drop user mover_of_views')
  }
})
