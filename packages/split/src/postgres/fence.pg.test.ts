import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Follower } from './follower.fixture.ts'
import { copyAll, digestOf, readUpToNow, twoDatabases, type TwoDatabases } from './two-databases.fixture.ts'
import { startWriters, writersRows, writersTables } from './writers.fixture.ts'

let two: TwoDatabases
before(async () => {
  two = await twoDatabases(
    `${writersTables}
     create table days (day date primary key) partition by range (day);
     create table days_1 partition of days default`,
    { rows: writersRows },
  )
})
after(() => two[Symbol.asyncDispose]())

test('fence: under writers no write is lost, and none comes behind it', async () => {
  const log = `fence_${two.shared.name}`
  const start = await two.source.openLog(log, two.tables)
  const writers = startWriters(two.shared.url)
  await copyAll(two)
  await using follower = new Follower({ log, from: two.source, to: two.target, tables: two.tables, start })
  await sleep(200)

  const position = await two.source.fence('lab', two.tables)
  const [before] = await two.sharedDb.query<{ rows: number }>('select count(*) as rows from entries')
  await sleep(100)
  await writers.stop()
  await follower.upTo(position)

  const [later] = await two.sharedDb.query<{ rows: number }>('select count(*) as rows from entries')
  const found = await two.serviceDb.query<{ id: number }>('select id from entries')
  assert.deepEqual(later, before)
  assert.deepEqual([...writers.refused.keys()], ['IMH01'])
  assert.ok(writers.commits > 20)
  assert.deepEqual(new Set(found.map(({ id }) => id)), writers.acknowledged)
  assert.deepEqual(await digestOf(two.target, two.tables), await digestOf(two.source, two.tables))
})

test('fence: tells clients the way, refuses every kind of write, and twice is once', async () => {
  await two.source.fence('lab', two.tables)

  const writes = [
    `insert into days values ('2026-01-01')`,
    `insert into days_1 values ('2026-01-01')`,
    'update accounts set balance = 0',
    'delete from accounts where false',
    'truncate entries',
    'copy entries from stdin',
  ]
  for (const sql of writes) {
    const write = sql.startsWith('copy') ? two.sharedDb.copyFrom(sql, ['1\t1\t1\n']) : two.sharedDb.query(sql)
    await assert.rejects(write, { sqlstate: 'IMH01' }, sql)
  }
  await assert.rejects(two.sharedDb.query('delete from days'), {
    message: 'public.days is not written here: its service has a database of its own',
    hint: 'reload the route of the service and run the transaction again there',
  })
})

test('fence: the log of the other side passes it', async () => {
  const log = `reverse_${two.shared.name}`
  const start = await two.target.openLog(log, two.tables)
  await two.serviceDb.query('insert into entries values (1000000, 1, 1)')

  await two.source.apply(log, await readUpToNow(two.target, log, start, two.tables))

  assert.equal((await two.sharedDb.query('select from entries where id = 1000000')).length, 1)
  await two.target.closeLog(log)
})

test('unfence: lets clients in again, and twice is once', async () => {
  await two.source.unfence('lab', two.tables)
  await two.source.unfence('lab', two.tables)

  await two.sharedDb.query(`insert into days_1 values ('2026-01-01')`)
  await two.sharedDb.query('truncate entries')
  const triggers = await two.sharedDb.query(`select from pg_trigger where tgname like 'imhotep%'`)
  assert.deepEqual(triggers, [])
})

test('unfence: lets clients in while somebody reads, and the next fence is whole', async () => {
  await two.source.fence('lab', two.tables)
  const reader = await two.sharedDb.dedicated()
  await reader.script('begin; select from entries; select from days_1')

  await two.source.unfence('lab', two.tables)

  await two.sharedDb.query('update entries set id = id')
  await two.sharedDb.query('update days_1 set day = day')
  await reader.script('commit')
  await two.source.fence('lab', two.tables)
  await assert.rejects(two.sharedDb.query('update entries set id = id'), { sqlstate: 'IMH01' })
  await assert.rejects(two.sharedDb.query('update days_1 set day = day'), { sqlstate: 'IMH01' })
  await two.source.unfence('lab', two.tables)
  await reader.release()
  assert.deepEqual(await two.sharedDb.query(`select from pg_trigger where tgname like 'imhotep%'`), [])
})

test('unfence: a table that is locked for long keeps no other one closed', async () => {
  const holder = await two.sharedDb.dedicated()
  for (const [held, other] of [
    ['entries', 'accounts'],
    ['accounts', 'entries'],
  ]) {
    await two.source.fence('lab', two.tables)
    await holder.script(`begin; lock table ${held} in access exclusive mode`)
    const opening = two.source.unfence('lab', two.tables)
    opening.catch(() => undefined)
    let refused: unknown = 'not tried'
    for (const end = Date.now() + 3_000; refused && Date.now() < end; await sleep(50)) {
      refused = await two.sharedDb.query(`update ${other} set id = id`).then(
        () => undefined,
        (error: unknown) => error,
      )
    }
    assert.equal(refused, undefined, `${other} is closed while ${held} is locked`)
    await holder.script('commit')
    await opening
    await two.sharedDb.query(`update ${held} set id = id`)
  }
  await holder.release()
})

test('fence: waits for a transaction that wrote before, and holds nobody up meanwhile', async () => {
  const client = await two.sharedDb.dedicated()
  await client.script('begin; update accounts set balance = 5 where id = 1')
  const fencing = two.source.fence('lab', two.tables)
  await sleep(300)

  await two.sharedDb.query('update accounts set balance = 6 where id = 2')
  await client.script('commit')
  await fencing

  await assert.rejects(two.sharedDb.query('update accounts set balance = 7'), { sqlstate: 'IMH01' })
  await client.release()
  await two.source.unfence('lab', two.tables)
})

test('fence: gives up in time for all tables together, or when told to, and leaves none closed', async () => {
  const client = await two.sharedDb.dedicated()
  await client.script('begin; update entries set id = id')
  const { signal } = new AbortController()

  await assert.rejects(two.source.fence('lab', two.tables, { seconds: 1, signal }), {
    code: 'IMH_SPLIT_BUSY',
    message: /within 1 s/,
  })
  await assert.rejects(two.source.fence('lab', two.tables, { signal: AbortSignal.timeout(300) }), {
    name: 'TimeoutError',
  })

  await two.sharedDb.query('update accounts set balance = 8')
  await client.script('rollback')
  await client.release()
  await two.sharedDb.query('update entries set id = id')
})
