import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needsMariadb, startMariadb } from '../../../../tests/support/mariadb.ts'
import type { Change, LogTransaction, MovedTable } from '../model.ts'
import type { Side } from '../side.ts'
import { mapDatabase } from './map-database.fixture.ts'
import { openMariadbSide } from './open-mariadb-side.ts'
import { openSession } from './session.ts'

const options = { skip: needsMariadb }

/** What was committed is on disk, as it is on a server that is not made for tests. */
const durable = { innodb_flush_log_at_trx_commit: '1', sync_binlog: '1' }

void test('apply: whenever the server is killed, each transaction is applied once', options, async () => {
  const server = await startMariadb(durable)
  try {
    const root = await openSession(server.url())
    await root.run('create database shop')
    await root.run('create table shop.a (id int primary key, n int not null)')
    await root.run('insert into shop.a values (0, 0)')
    const table = (await mapDatabase(server.url('shop'))).tables[0] as MovedTable
    // each one adds a row and counts in the first: applied twice or not at all, the sum shows it
    const log = Array.from({ length: 3000 }, (_, at): LogTransaction => ({
      position: String(at + 1),
      committedAt: new Date(0),
      changes: [
        { table, kind: 'insert', row: [String(at + 1), '1'] },
        { table, kind: 'update', key: ['0'], row: ['0', String(at + 1)] },
      ] satisfies Change[],
    }))
    let kills = 0

    for (let done = 0; done < log.length;) {
      const side = await openMariadbSide(server.url('shop'))
      done = Number((await side.applied('log')) ?? 0)
      const kill = kills < 8 ? setTimeout(() => void server.kill(), 20 + Math.random() * 250) : undefined
      try {
        for (; done < log.length; done += 3) await side.apply('log', log.slice(done, done + 3))
      } catch {
        kills++
        await server.kill()
        await server.start()
      }
      clearTimeout(kill)
      await side.close().catch(() => undefined)
    }

    const after = await openSession(server.url('shop'))
    assert.deepEqual(await after.rows('select count(*), sum(n), max(if(id = 0, n, 0)) from a'), [
      ['3001', '6000', '3000'],
    ])
    assert.ok(kills > 2)
    await after.close()
  } finally {
    await server.remove()
  }
})

void test(
  'fence: whenever the server is killed, unfence opens the tables and keeps the triggers of the application',
  options,
  async () => {
    const server = await startMariadb(durable)
    try {
      const root = await openSession(server.url())
      await root.run('create database shop')
      await root.run('use shop')
      for (let n = 0; n < 12; n++) {
        await root.run(`create table t${n} (id int auto_increment primary key, n int not null)`)
        await root.run(`create trigger t${n}_ten before insert on t${n} for each row set new.n = new.n * 10`)
        await root.run(`create trigger t${n}_kept after delete on t${n} for each row set @kept = old.id`)
      }
      await root.close()
      const { tables } = await mapDatabase(server.url('shop'))
      const triggers = async (side: Side) => (await side.catalog()).triggers.map(({ name, body }) => `${name} ${body}`)
      const first = await openMariadbSide(server.url('shop'))
      const before = await triggers(first)
      await first.close()

      for (let round = 0; round < 12; round++) {
        const side = await openMariadbSide(server.url('shop'))
        const kill = setTimeout(() => void server.kill(), Math.random() * 200)
        await side.fence('lab', tables).catch(() => undefined)
        if (round % 2 === 1) await side.unfence('lab', tables).catch(() => undefined)
        clearTimeout(kill)
        await server.kill()
        await side.close().catch(() => undefined)
        await server.start()
        const next = await openMariadbSide(server.url('shop'))
        await next.unfence('lab', tables)
        assert.deepEqual(await triggers(next), before)
        await next.close()
        const client = await openSession(server.url('shop'))
        await client.run('insert into t0 (n) values (1)')
        await client.run('delete from t11')
        await client.close()
      }
    } finally {
      await server.remove()
    }
  },
)
