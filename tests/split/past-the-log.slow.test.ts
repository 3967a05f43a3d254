import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, type Connection } from '@imhotep/postgres'
import { run, verifyService, type Split } from '@imhotep/split'
import { logicalDatabase, runOn } from '../support/logical-server.ts'
import { openSplit } from './open-split.ts'

const ownerMap = 'services: { lab: { database: LAB } }\ntables: { orders: lab }'
const tables = `
  create table orders (id int primary key, test text) partition by range (id);
  create table orders_1 partition of orders for values from (0) to (100);
  create table orders_2 partition of orders for values from (100) to (200);
  insert into orders select n, 'CBC' from generate_series(1, 150) n;`

/** A split whose service is verified. */
async function verified(work: (shared: Connection, split: Split) => Promise<void>): Promise<void> {
  await using database = await logicalDatabase('past_the_log')
  await runOn(database.url, tables)
  await using here = await openSplit(database.url, database.url, ownerMap)
  const shared = await connect(database.url).dedicated()
  try {
    await here.split.makePlan(here.mapFile)
    await run(await here.split.moveOf('lab'), 'verified')
    await work(shared, here.split)
  } finally {
    await shared.release()
  }
}

const switchIt = async (split: Split) => {
  const { reverse } = await run(await split.moveOf('lab'), 'reversible')
  await reverse?.stop()
}

for (const [what, sql] of [
  ['emptied', 'truncate orders_2'],
  ['detached', 'alter table orders detach partition orders_2'],
  ['dropped', 'drop table orders_2'],
  [
    'attached with rows',
    `create table orders_3 (like orders); insert into orders_3 values (250, 'MRI');
     alter table orders attach partition orders_3 for values from (200) to (300)`,
  ],
]) {
  test(`switch: a partition that was ${what} since the verification has the service verified again`, async () => {
    await verified(async (shared, split) => {
      await shared.script(sql as string)

      await assert.rejects(switchIt(split), {
        code: 'IMH_SPLIT_STORAGE_CHANGED',
        message: /public\.orders/,
        hint: /split verify/,
      })

      await assert.rejects(verifyService(split, 'lab'), { code: 'IMH_SPLIT_NOT_EQUAL', hint: /split cancel, run$/ })
      await shared.query(`insert into orders values (0, 'late')`)
    })
  })
}

test('switch: a table that was written anew is verified again, and then switched', async () => {
  await verified(async (shared, split) => {
    await shared.script('vacuum full orders_1')

    await assert.rejects(switchIt(split), { code: 'IMH_SPLIT_STORAGE_CHANGED' })

    await verifyService(split, 'lab')
    await switchIt(split)
  })
})

test('verify: what changed past the fence after the switch does not lead to a cancel, which is refused then', async () => {
  await verified(async (shared, split) => {
    await switchIt(split)
    await shared.script(`begin; set local session_replication_role = replica; delete from orders where id = 5; commit`)

    await assert.rejects(verifyService(split, 'lab'), {
      code: 'IMH_SPLIT_NOT_EQUAL',
      hint: /do not revert yet.*session_replication_role.*imhotep split retire$/,
    })

    const correct = `insert into orders select 5, test from orders where id = 6`
    await shared.script(`begin; set local session_replication_role = replica; ${correct}; commit`)
    assert.equal((await verifyService(split, 'lab')).equal, true)
  })
})

test('switch: another table that took the name of a moved one ends the move', async () => {
  await verified(async (shared, split) => {
    await shared.script(
      `create table orders_new (id int primary key, test text); insert into orders_new select * from orders;
       alter table orders rename to orders_old; alter table orders_new rename to orders`,
    )

    await assert.rejects(switchIt(split), { code: 'IMH_SPLIT_SCHEMA_CHANGED', hint: /cancel/ })
  })
})

test('switch: what passes by the log in its last moment lets clients in again', async () => {
  await verified(async (shared, split) => {
    const move = await split.moveOf('lab')
    const fence = move.source.fence.bind(move.source)
    Object.assign(move.source, {
      fence: async (...args: Parameters<typeof fence>) => {
        await shared.script('truncate orders_2')
        return fence(...args)
      },
    })

    await assert.rejects(run(move, 'reversible'), { code: 'IMH_SPLIT_STORAGE_CHANGED' })

    await shared.query(`insert into orders values (199, 'X-ray')`)
  })
})
