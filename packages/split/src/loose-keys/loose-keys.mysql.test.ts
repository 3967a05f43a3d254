import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { mariadbDatabase, needsMariadb } from '../../../../tests/support/mariadb.ts'
import { openSession } from '../mariadb/session.ts'
import type { LooseEnd, LooseKey } from './loose-key.ts'
import { mariadbEnd } from './mariadb-end.ts'
import { postgresEnd } from './postgres-end.ts'
import { findLooseOrphans, workLooseKeys, type LooseWorld } from './work.ts'

const signal = new AbortController().signal

/** Users in MariaDB, their orders in PostgreSQL and their notes in another PostgreSQL database. */
async function world() {
  const shared = await mariadbDatabase()
  const lab = await emptyDatabase()
  const notes = await emptyDatabase()
  const session = await openSession(shared.url)
  const labDb = connect(lab.url)
  const notesDb = connect(notes.url)
  await session.run('create table users (id bigint unsigned primary key, name varchar(20))')
  await session.run(`insert into users select seq, concat('user ', seq) from seq_1_to_3000`)
  await labDb.query('create table orders (id int primary key, user_id bigint)')
  await labDb.query('insert into orders select n, n % 3000 + 1 from generate_series(1, 9000) n')
  await notesDb.query('create table notes (id int primary key, author numeric(20,0))')
  await notesDb.query('insert into notes select n, n from generate_series(1, 3000) n')

  const ends: Record<string, LooseEnd> = {
    auth: mariadbEnd(session, shared.name),
    lab: postgresEnd(labDb),
    notes: postgresEnd(notesDb),
  }
  const table = (service: string, name: string, column: string) => ({
    service,
    shared: { schema: shared.name, name },
    own: { schema: 'public', name },
    columns: [column],
  })
  const keys: LooseKey[] = [
    {
      name: 'orders_user',
      child: table('lab', 'orders', 'user_id'),
      parent: table('auth', 'users', 'id'),
      onDelete: 'delete',
    },
    {
      name: 'notes_author',
      child: table('notes', 'notes', 'author'),
      parent: table('auth', 'users', 'id'),
      onDelete: 'nullify',
    },
  ]
  const looseWorld: LooseWorld = {
    ends: Object.values(ends),
    locate: ({ service, shared: there, own }) => ({
      end: ends[service] as LooseEnd,
      name: service === 'auth' ? there : own,
    }),
  }
  return {
    url: shared.url,
    session,
    labDb,
    notesDb,
    ends,
    keys,
    looseWorld,
    users: { schema: shared.name, name: 'users' },
    async [Symbol.asyncDispose]() {
      await Promise.all([session.close(), labDb.close(), notesDb.close()])
      for (const database of [shared, lab, notes]) await database[Symbol.asyncDispose]()
    },
  }
}

test(
  'workLooseKeys: children of deleted parents go, or lose their parent, in whatever database they are',
  { skip: needsMariadb },
  async () => {
    await using here = await world()
    await here.ends['auth']?.watch(here.users, ['id'])
    await here.session.run('delete from users where id <= 1500')

    const result = await workLooseKeys(here.keys, here.looseWorld, signal)

    assert.deepEqual(result, { keys: 1500, rows: 4500 + 1500 })
    assert.deepEqual(await here.labDb.query('select count(*)::int as n, min(user_id)::int as first from orders'), [
      { n: 4500, first: 1501 },
    ])
    assert.deepEqual(await here.notesDb.query('select count(*)::int as n, count(author)::int as authors from notes'), [
      { n: 3000, authors: 1500 },
    ])
    assert.deepEqual(await workLooseKeys(here.keys, here.looseWorld, signal), { keys: 0, rows: 0 })
    assert.deepEqual(await findLooseOrphans(here.keys, here.looseWorld, signal), [])
  },
)

test(
  'workLooseKeys: two workers at once, one of which is stopped in the middle, leave nothing behind',
  { skip: needsMariadb },
  async () => {
    await using here = await world()
    await here.ends['auth']?.watch(here.users, ['id'])
    await here.session.run('delete from users where id > 10')
    const stopped = new AbortController()
    setTimeout(() => stopped.abort(), 20)

    const outcomes = await Promise.allSettled([
      workLooseKeys(here.keys, here.looseWorld, stopped.signal),
      workLooseKeys(here.keys, here.looseWorld, signal),
    ])

    assert.equal(outcomes[1]?.status, 'fulfilled')
    assert.deepEqual(await here.labDb.query('select count(*)::int as n from orders'), [{ n: 30 }])
    assert.deepEqual(await findLooseOrphans(here.keys, here.looseWorld, signal), [])
  },
)

test(
  'workLooseKeys: children that are parents themselves take theirs along, whichever database is asked first',
  { skip: needsMariadb },
  async () => {
    await using here = await world()
    const [orders, notes] = here.keys as [LooseKey, LooseKey]
    const ofNotes = { ...notes.child, columns: ['id'] }
    const keys: LooseKey[] = [
      { ...notes, onDelete: 'delete' },
      { ...orders, name: 'orders_note', parent: ofNotes },
    ]
    await here.ends['auth']?.watch(here.users, ['id'])
    await here.ends['notes']?.watch(ofNotes.own, ['id'])
    await here.session.run('delete from users where id <= 5')

    const result = await workLooseKeys(keys, here.looseWorld, signal)

    assert.deepEqual(result, { keys: 5 + 5, rows: 5 + 15 })
  },
)

test('workLooseKeys: ends where somebody deletes all the time', { skip: needsMariadb }, async () => {
  await using here = await world()
  const auth = here.ends['auth'] as LooseEnd
  await auth.watch(here.users, ['id'])
  await here.session.run('delete from users where id = 1')
  let deletions = 1
  const busy: LooseEnd = {
    ...auth,
    forget: async (ids) => {
      await auth.forget(ids)
      if (deletions < 20) await here.session.run(`delete from users where id = ${++deletions}`)
    },
  }

  await workLooseKeys(here.keys, { ...here.looseWorld, ends: [busy] }, signal)

  assert.ok(deletions < 20, `${deletions} users were deleted before it ended`)
})

test('findLooseOrphans: counts the keys that lead nowhere', { skip: needsMariadb }, async () => {
  await using here = await world()
  await here.session.run('delete from users where id in (3, 2999)')
  await here.notesDb.query('delete from notes where id = 3')

  const orphans = await findLooseOrphans(here.keys, here.looseWorld, signal)

  assert.deepEqual(orphans, [
    { name: 'orders_user', keys: 2 },
    { name: 'notes_author', keys: 1 },
  ])
})

test('workLooseKeys: a key that was used again keeps its children', { skip: needsMariadb }, async () => {
  await using here = await world()
  await here.ends['auth']?.watch(here.users, ['id'])
  await here.session.run('delete from users where id = 7')
  await here.session.run(`insert into users values (7, 'back')`)

  const result = await workLooseKeys(here.keys, here.looseWorld, signal)

  assert.deepEqual(result, { keys: 1, rows: 0 })
})

test('postgresEnd.watch: remembers what clients delete, by cascade too, and not what a mover applies', async () => {
  await using database = await emptyDatabase()
  const db = connect(database.url)
  await db.query('create table a (x int, y text, primary key (x, y))')
  await db.query(
    'create table b (id int primary key, x int, y text, foreign key (x, y) references a on delete cascade)',
  )
  await db.query(`insert into a values (1, 'one'), (2, 'it''s'), (3, 'three')`)
  await db.query(`insert into b values (10, 2, 'it''s')`)
  const end = postgresEnd(db)
  await end.watch({ schema: 'public', name: 'a' }, ['x', 'y'])
  await end.watch({ schema: 'public', name: 'b' }, ['id'])

  await db.query('delete from a where x = 2')
  await db.transaction(async (tx) => {
    await tx.query('set local session_replication_role = replica')
    await tx.query('delete from a where x = 3')
  })

  const deleted = await end.deleted(10)
  assert.deepEqual(
    deleted
      .map(({ table, columns, values }) => ({ table, columns, values }))
      .toSorted((a, b) => (a.table < b.table ? -1 : 1)),
    [
      { table: 'public.a', columns: ['x', 'y'], values: ['2', `it's`] },
      { table: 'public.b', columns: ['id'], values: ['10'] },
    ],
  )
  await db.close()
})

test('workLooseKeys: a parent that nobody could refer to is forgotten', { skip: needsMariadb }, async () => {
  await using here = await world()
  const { session, ends, keys, looseWorld, users } = here
  await session.run('alter table users add code varchar(9) unique')
  const byCode = keys.map((key) => ({ ...key, parent: { ...key.parent, columns: ['code'] } }))
  await ends['auth']?.watch(users, ['code'])
  await session.run('delete from users where id = 1')

  assert.deepEqual(await workLooseKeys(byCode, looseWorld, signal), { keys: 1, rows: 0 })
  assert.deepEqual(await ends['auth']?.deleted(10), [])
})

test('watch: lets clients of the table pass while it waits', { skip: needsMariadb }, async (t) => {
  await using here = await world()
  const { session, labDb, ends, users } = here
  const orders = { schema: 'public', name: 'orders' }
  const [holder, client] = await Promise.all([openSession(here.url), openSession(here.url)])
  await holder.run('begin')
  await holder.rows('select 1 from users limit 1')
  const holderInLab = await labDb.dedicated()
  t.after(() => Promise.all([holder.close(), client.close(), holderInLab.release()]))
  await holderInLab.script('begin; delete from orders where id = 1')

  const watching = Promise.all([ends['auth']?.watch(users, ['id']), ends['lab']?.watch(orders, ['id'])])
  for (let passed = 0; passed < 5; passed++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    await client.rows('select 1 from users limit 1')
    await labDb.query('delete from orders where id = 2')
  }
  await Promise.all([holder.run('rollback'), holderInLab.script('rollback')])
  await watching

  await session.run('delete from users where id = 7')
  assert.equal((await ends['auth']?.deleted(10))?.length, 1)
})
