import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { mariadbDatabase, needsMariadb } from '../../../../tests/support/mariadb.ts'
import type { MovedTable } from '../model.ts'
import { fencedTables, fenceTables } from './fence.ts'
import { mapDatabase } from './map-database.fixture.ts'
import { openMariadbSide } from './open-mariadb-side.ts'
import { closing } from './postgres-twin.fixture.ts'
import { openSession, placeOf, type Session } from './session.ts'
import { missingGuards } from './truncate-guard.ts'

const options = { skip: needsMariadb }

const schema = [
  'create table a (id int auto_increment primary key, n int not null)',
  'create table b (id int auto_increment primary key, n int not null)',
  'create table audit (id int auto_increment primary key, what varchar(20) not null)',
  `create trigger a_first before insert on a for each row set new.n = new.n + 1`,
  `create trigger a_second before insert on a for each row follows a_first set new.n = new.n * 10`,
  `create trigger b_audit after update on b for each row begin insert into audit (what) values ("it's b"); end`,
]

async function moved(url: string): Promise<MovedTable[]> {
  return (await mapDatabase(url)).tables.filter(({ source }) => source.name !== 'audit')
}

/** What a client gets: null when it may write. */
async function refusal(session: Session, sql: string): Promise<string | null> {
  return session.run(sql).then(
    () => null,
    (error: Error & { sqlState?: string }) => `${error.sqlState} ${error.message.slice(0, 5)}`,
  )
}

const triggersOf = (session: Session, name: string) =>
  session.rows(
    `select trigger_name, event_manipulation, action_timing, action_order, action_statement, definer, sql_mode
       from information_schema.triggers where trigger_schema = '${name}' order by 1`,
  )

void test(
  'fence: an attempt to stop clients begins when all that they need not wait for is made',
  options,
  async () => {
    await using source = await mariadbDatabase(...schema)
    const tables = await moved(source.url)
    await using session = closing(await openSession(source.url))
    const order: string[] = []
    const told: Session = {
      ...session,
      run: (sql) => {
        const [kind] = /create (table|trigger)|lock tables/.exec(sql) ?? []
        if (kind !== undefined && order.at(-1) !== kind) order.push(kind)
        return session.run(sql)
      },
    }

    await fenceTables(told, placeOf(source.url).database, tables, { onAttempt: () => order.push('attempt') })

    assert.deepEqual(order.slice(order.lastIndexOf('create table')), [
      'create table',
      'attempt',
      'lock tables',
      'create trigger',
      'lock tables',
    ])
  },
)

void test(
  'fence: clients cannot change the tables, apply can, and no trigger of the application fires',
  options,
  async () => {
    await using source = await mariadbDatabase(...schema, 'insert into b values (1, 1)')
    const tables = await moved(source.url)
    await using side = closing(await openMariadbSide(source.url))
    await using client = closing(await openSession(source.url))

    const position = await side.fence('lab', tables)
    const again = await side.fence('lab', tables)

    for (const sql of [
      'insert into a (n) values (1)',
      'update b set n = 2',
      'delete from b',
      'replace into b values (1, 9)',
    ])
      assert.equal(await refusal(client, sql), '45000 IMH01')
    assert.equal(await refusal(client, `insert into audit (what) values ('x')`), null)
    assert.ok(side.comparePositions(again, position) >= 0)
    await side.apply('log', [
      {
        position: '0/1',
        committedAt: new Date(),
        changes: [
          { table: tables[0] as MovedTable, kind: 'insert', row: ['7', '7'] },
          { table: tables[1] as MovedTable, kind: 'update', key: ['1'], row: ['1', '5'] },
        ],
      },
    ])
    assert.deepEqual(
      await client.rows('select n from a union all select n from b union all select count(*) from audit'),
      [['7'], ['5'], ['1']],
    )
  },
)

void test('unfence: the tables are as before, triggers of the application in their order', options, async () => {
  await using source = await mariadbDatabase(
    ...schema,
    // as loose keys have it, whose name begins like those of a fence
    `create trigger imhotep_split_deleted_a after delete on a for each row insert into audit (what) values ('gone')`,
  )
  const tables = await moved(source.url)
  await using side = closing(await openMariadbSide(source.url))
  await using client = closing(await openSession(source.url))
  const before = await triggersOf(client, source.name)

  await side.fence('lab', tables)
  await side.unfence('lab', tables)
  await side.unfence('lab', tables)

  assert.deepEqual(await triggersOf(client, source.name), before)
  assert.equal(await refusal(client, 'insert into a (n) values (1)'), null)
  assert.deepEqual(await client.rows('select n from a'), [['20']])
})

void test('unfence: who reads one table for long keeps no other one closed', options, async () => {
  await using source = await mariadbDatabase(...schema, 'insert into b values (1, 1)')
  const tables = await moved(source.url)
  await using side = closing(await openMariadbSide(source.url))
  await using client = closing(await openSession(source.url))
  await using reader = closing(await openSession(source.url))
  const before = await triggersOf(client, source.name)
  await side.fence('lab', tables)

  for (const [held, other] of [
    ['a', 'b'],
    ['b', 'a'],
  ]) {
    await reader.run(`start transaction`)
    await reader.rows(`select * from ${held}`)
    const opening = side.unfence('lab', tables)
    opening.catch(() => undefined)
    let answer: string | null = ''
    for (const end = Date.now() + 3_000; answer !== null && Date.now() < end; await sleep(50)) {
      answer = await refusal(client, `update ${other} set n = n + 1`)
    }
    assert.equal(answer, null, `${other} is closed while ${held} is read`)
    assert.equal(await refusal(client, `insert into ${held} (n) values (1)`), '45000 IMH01')
    await reader.run('commit')
    await opening
    assert.deepEqual(await triggersOf(client, source.name), before)
    await side.fence('lab', tables)
  }
})

void test('unfence: a table whose trigger cannot be made stays closed alone, and is named', options, async () => {
  await using source = await mariadbDatabase(...schema)
  const tables = await moved(source.url)
  await using side = closing(await openMariadbSide(source.url))
  await using client = closing(await openSession(source.url))
  const before = await triggersOf(client, source.name)
  await side.fence('lab', tables)
  await client.run('alter table a change n m int not null')

  await assert.rejects(side.unfence('lab', tables), {
    code: 'IMH_SPLIT_TRIGGERS',
    message: /a_first of a \(.*NEW.*\); a_second of a/,
  })

  assert.equal(await refusal(client, 'insert into b (n) values (1)'), null)
  assert.equal(await refusal(client, 'insert into a (m) values (1)'), '45000 IMH01')
  assert.equal(await refusal(client, 'truncate b'), null)
  assert.equal(await refusal(client, 'truncate a'), '42000 Canno')
  await client.run('alter table a change m n int not null')
  await side.unfence('lab', tables)
  assert.deepEqual(await triggersOf(client, source.name), before)
  assert.equal(await refusal(client, 'insert into a (n) values (1)'), null)
})

void test(
  'fence: half of one, as a crash leaves it, is completed by fence and removed by unfence',
  options,
  async () => {
    await using source = await mariadbDatabase(...schema)
    const tables = await moved(source.url)
    await using side = closing(await openMariadbSide(source.url))
    await using client = closing(await openSession(source.url))
    const before = await triggersOf(client, source.name)
    const names = async () => (await triggersOf(client, source.name)).map(([name]) => name)
    await side.fence('lab', tables)
    const whole = await names()

    for (const lost of whole) {
      await client.run(`drop trigger ${lost}`)
      await side.fence('lab', tables)
      assert.deepEqual(await names(), whole)
      await client.run(`drop trigger ${lost}`)
      await side.unfence('lab', tables)
      assert.deepEqual(await triggersOf(client, source.name), before)
      await side.fence('lab', tables)
    }
  },
)

void test('fence: TRUNCATE and DROP TABLE, which fire no trigger, are refused until unfence', options, async () => {
  const names = ['a', 'b', 'by_text', 'x'.repeat(60)]
  await using source = await mariadbDatabase(
    ...schema,
    `create table by_text (code varchar(20) character set latin1 collate latin1_german1_ci, part binary(4),
       day date, primary key (code, part, day))`,
    `create table ${names[3]} (id bigint unsigned primary key)`,
    `insert into by_text values ('x', 'y', '2026-01-01')`,
    `insert into a (n) values (1)`,
  )
  const tables = await moved(source.url)
  await using side = closing(await openMariadbSide(source.url))
  await using client = closing(await openSession(source.url))
  const tablesThere = () => client.rows('show tables')
  await side.openLog('log', tables)
  const before = await tablesThere()

  await side.fence('lab', tables)
  for (const name of names) {
    assert.equal(await refusal(client, `truncate ${name}`), '42000 Canno', name)
    assert.equal(await refusal(client, `drop table ${name}`), '23000 Canno', name)
  }
  assert.equal(await refusal(client, 'truncate audit'), null)
  const whole = async () =>
    (
      await fencedTables(
        client,
        tables.map((table) => table.source),
      )
    ).length
  assert.equal(await whole(), tables.length)
  const guards = (await tablesThere()).flat().filter((name) => name?.startsWith('imhotep_split_t_'))
  assert.equal(guards.length, names.length)
  await client.run(`drop table ${guards[0]}`)
  assert.equal(await whole(), tables.length - 1)
  await side.fence('lab', tables)
  assert.equal(await whole(), tables.length)

  await side.unfence('lab', tables)
  assert.deepEqual(await tablesThere(), before)
  assert.deepEqual(await client.rows('select count(*) from a union all select count(*) from by_text'), [['1'], ['1']])
  assert.equal(await refusal(client, 'truncate a'), null)
})

void test('setAside: nothing of the fence is left', options, async () => {
  await using source = await mariadbDatabase(...schema)
  const tables = await moved(source.url)
  await using side = closing(await openMariadbSide(source.url))
  await using client = closing(await openSession(source.url))
  await side.fence('lab', tables)

  await side.setAside(tables)
  await side.dropSetAside(tables)

  assert.deepEqual((await client.rows(`show tables where left(tables_in_${source.name}, 8) <> 'imhotep_'`)).flat(), [
    'audit',
  ])
  assert.deepEqual(await client.rows(`show tables like 'imhotep\\_split\\_t\\_%'`), [])
})

void test(
  'fence: guards are looked for at the tables themselves, whatever else is in the database',
  options,
  async () => {
    await using source = await mariadbDatabase('create table a (id int primary key)')
    await using session = closing(await openSession(source.url))
    const written = async () => {
      const [row] = await session.rows(`show session status like 'Handler_tmp_write'`)
      return Number(row?.[1])
    }
    const look = async () => {
      const before = await written()
      const [guard] = await missingGuards(session, [{ schema: source.name, name: 'a' }])
      assert.deepEqual(guard?.columns, [{ name: 'id', type: 'int(11)' }])
      return (await written()) - before
    }
    const alone = await look()
    const columns = Array.from({ length: 200 }, (_, at) => `c${at} int`)
    await source.run(`create table others (id int primary key, ${columns.join(', ')})`)

    assert.equal(await look(), alone)
  },
)

void test('fence: every commit that a client saw succeed lies before its position', options, async () => {
  await using source = await mariadbDatabase(
    'create table a (id int auto_increment primary key, n int not null)',
    'create table b (id int auto_increment primary key, n int not null)',
  )
  const tables = await moved(source.url)
  await using side = closing(await openMariadbSide(source.url))
  const from = await side.openLog('log', tables)
  const committed = { count: 0 }
  const writers = Array.from({ length: 4 }, async () => {
    await using session = closing(await openSession(source.url))
    for (;;) {
      await session.run('begin')
      const refused =
        (await refusal(session, 'insert into a (n) values (1)')) ??
        (await refusal(session, 'insert into b (n) values (1)'))
      if (refused !== null) return assert.equal(refused, '45000 IMH01')
      await session.run('commit')
      committed.count += 1
    }
  })
  while (committed.count < 200) await new Promise((resolve) => setTimeout(resolve, 10))

  const position = await side.fence('lab', tables)
  await Promise.all(writers)
  const end = await side.position()
  let logged = 0
  let late = 0
  for await (const transaction of side.readLog('log', from, tables, AbortSignal.timeout(10_000))) {
    if (side.comparePositions(transaction.position, position) <= 0) logged += transaction.changes.length / 2
    else late += transaction.changes.length
    if (side.comparePositions(transaction.position, end) >= 0) break
  }

  assert.equal(logged, committed.count)
  assert.equal(late, 0)
})

void test('fence: waits for a transaction that is under way, and lets others pass meanwhile', options, async () => {
  await using source = await mariadbDatabase(...schema)
  const tables = await moved(source.url)
  await using side = closing(await openMariadbSide(source.url))
  await using slow = closing(await openSession(source.url))
  await using other = closing(await openSession(source.url))
  await slow.run('begin')
  await slow.run('insert into a (n) values (1)')

  const fencing = side.fence('lab', tables)
  await new Promise((resolve) => setTimeout(resolve, 300))
  // it waits behind the lock, for a second at the most
  assert.equal(await refusal(other, 'insert into b (n) values (1)'), null)
  await slow.run('commit')
  await fencing

  assert.equal(await refusal(other, 'insert into b (n) values (1)'), '45000 IMH01')
})

void test('fence: gives up in time, or when told to, and leaves no table closed', options, async () => {
  await using source = await mariadbDatabase(...schema)
  const tables = await moved(source.url)
  await using side = closing(await openMariadbSide(source.url))
  await using slow = closing(await openSession(source.url))
  await slow.run('begin')
  await slow.run('insert into a (n) values (1)')

  await assert.rejects(side.fence('lab', tables, { seconds: 1 }), /1 s/)
  await assert.rejects(side.fence('lab', tables, { signal: AbortSignal.timeout(300) }), { name: 'TimeoutError' })

  await slow.run('insert into b (n) values (1)')
  await slow.run('commit')
})
