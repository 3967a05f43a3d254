import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logicalDatabase, runOn } from '../../../../tests/support/logical-server.ts'
import { mariadbDatabase, needsMariadb } from '../../../../tests/support/mariadb.ts'
import type { Key, MovedTable, Position } from '../model.ts'
import { openServiceDatabase } from '../postgres/open-postgres-side.ts'
import type { ServiceDatabase, Side, Snapshot } from '../side.ts'
import { mapDatabase } from './map-database.fixture.ts'
import { openMariadbSide } from './open-mariadb-side.ts'
import { closing } from './postgres-twin.fixture.ts'
import { openSession } from './session.ts'

/** Applies the log of one side to the other, up to a position. */
async function follow(
  from: Side,
  to: Side,
  log: string,
  tables: readonly MovedTable[],
  start: Position,
  end: Position,
) {
  const reader = from.readLog(log, start, tables, AbortSignal.timeout(20_000))
  for await (const transaction of reader) {
    if (from.comparePositions(transaction.position, end) > 0) break
    await to.apply(log, [transaction])
    if (from.comparePositions(transaction.position, end) >= 0) break
  }
}

async function copy(snapshot: Snapshot, to: ServiceDatabase, table: MovedTable): Promise<void> {
  for (let last: Key | null = null; ;) {
    const chunk = await snapshot.chunk(table, last, 100)
    await to.load(table, chunk)
    if (chunk.last === null) return
    last = chunk.last
  }
}

async function digests(side: Side, tables: readonly MovedTable[]): Promise<unknown[]> {
  await using snapshot = closing(await side.snapshot(tables, { exact: true }))
  const found: unknown[] = []
  for (const table of tables) found.push(await snapshot.digestRange(table, null, null))
  return found
}

void test(
  'a MariaDB database and a PostgreSQL one follow each other, there and back, while clients write',
  { skip: needsMariadb },
  async () => {
    await using source = await mariadbDatabase(
      `create table orders (id bigint unsigned auto_increment primary key, code varchar(20) not null unique,
       paid tinyint(1) not null default 0, kind enum('a','b') not null, tags set('x','y'), due date, at datetime(6) not null,
       seen timestamp(3) null, total decimal(12,2), note text, data json, raw varbinary(20))`,
      'create table items (order_id bigint unsigned not null, line smallint not null, name varchar(50), primary key (order_id, line))',
    )
    const { tables } = await mapDatabase(source.url)
    await using service = await logicalDatabase('service')
    await using from = closing(await openMariadbSide(source.url))
    await using to = closing(await openServiceDatabase(service.url, { origin: 'mariadb' }))
    for (const { target, columns, key } of tables) {
      const list = columns.map(
        ({ name, targetType, nullable }) => `"${name}" ${targetType}${nullable ? '' : ' not null'}`,
      )
      await runOn(service.url, `create table ${target.name} (${list.join(', ')}, primary key (${key.join(', ')}))`)
    }
    const writers = [1, 2, 3].map(async (w) => {
      await using client = closing(await openSession(source.url))
      for (let n = 0; ; n++) {
        try {
          await client.run('begin')
          await client.run(
            `insert into orders (code, paid, kind, tags, due, at, seen, total, note, data, raw) values ('${w}-${n}', ${n % 2},
             '${n % 3 ? 'a' : 'b'}', '${n % 4 ? 'x,y' : ''}', '2026-11-26', now(6), now(3), ${n} / 3, 'نص\\t${n}\\n', '{"b":${n}, "a":[1.50]}', x'00ff')`,
          )
          await client.run(`insert into items select max(id), 1, 'é' from orders`)
          await client.run(`insert into items select max(id), 2, null from orders`)
          if (n % 3 === 0)
            await client.run(
              `update orders set note = null, total = total + 1, seen = now(3) where code = '${w}-${n - 1}'`,
            )
          if (n % 5 === 0) await client.run(`delete from orders where code = '${w}-${n - 5}'`)
          await client.run('commit')
        } catch (error) {
          if ((error as { sqlState?: string }).sqlState === '45000') return
          await client.run('rollback')
        }
      }
    })
    const start = await from.openLog('there', tables)
    const snapshot = await from.snapshot(tables, { exact: true })
    for (const table of tables) await copy(snapshot, to, table)
    await snapshot.close()
    const middle = await from.snapshot(tables, { exact: true })
    await follow(from, to, 'there', tables, start, middle.position)
    const [orders, items] = tables as [MovedTable, MovedTable]
    const expected = [await middle.digestRange(orders, null, null), await middle.digestRange(items, null, null)]
    await middle.close()

    assert.deepEqual(await digests(to, tables), expected)
    const fence = await from.fence('lab', tables)
    await Promise.all(writers)
    await follow(from, to, 'there', tables, (await to.applied('there')) ?? start, fence)
    assert.deepEqual(await digests(to, tables), await digests(from, tables))

    const back = await to.openLog('back', tables)
    await runOn(
      service.url,
      `insert into orders select id + 100000, 'new-' || id, not paid, 'b', '{y}', null, at + interval '1.000001 s', seen, -total, 'tab' || chr(9), '{"z": 1e3}', '\\x0a' from orders;
     update orders set note = repeat('long ', 4000) where id % 2 = 0; update orders set paid = not paid where id % 2 = 0;
     update items set line = line + 10 where order_id % 3 = 0; delete from items where line = 1`,
    )
    await follow(to, from, 'back', tables, back, await to.position())

    assert.deepEqual(await digests(from, tables), await digests(to, tables))
  },
)
