import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { logicalServer, runOn } from '../../../../tests/support/logical-server.ts'
import { ServiceDatabaseInUseError } from './errors.ts'
import { openServiceDatabase } from './open-postgres-side.ts'
import { dropReadOnlyCopy, makeReadOnlyCopy, readOnlyCopyLag } from './read-only-copy.ts'
import {
  deprovisionServiceDatabase,
  freeDiskBytes,
  grantServiceRoles,
  provisionServiceDatabase,
  type ServiceDatabaseAccess,
} from './provision.ts'

const database = `lab_${randomBytes(4).toString('hex')}`
let url: string
let access: ServiceDatabaseAccess
before(async () => {
  url = (await logicalServer()).url()
  access = await provisionServiceDatabase(url, { database })
  await runOn(
    access.adminUrl.reveal(),
    `create type mood as enum ('well'); create table orders (id serial primary key, mood mood);
     create view open_orders as select * from orders; create function f() returns int language sql as 'select 1'`,
  )
  await grantServiceRoles(access.adminUrl.reveal())
})
after(() => deprovisionServiceDatabase(url, database, []))

async function as<T>(role: { url: { reveal(): string } | null }, work: (db: Database) => Promise<T>): Promise<T> {
  const db = connect(role.url?.reveal() ?? '')
  try {
    return await work(db)
  } finally {
    await db.close()
  }
}

test('provision: the application writes rows and makes nothing', async () => {
  const rows = await as(access.application, async (db) => {
    await db.query(`insert into orders (mood) values ('well')`)
    await assert.rejects(db.query('create table mine (id int)'), { sqlstate: '42501' })
    await assert.rejects(db.query('alter table orders add column extra int'), { sqlstate: '42501' })
    return db.query('select id, f() from open_orders')
  })

  assert.deepEqual(rows, [{ id: 1, f: 1 }])
})

test('provision: the owner makes tables that the application may write', async () => {
  await as(access.owner, (db) => db.query('create table results (id int primary key)'))
  await as(access.owner, (db) => db.query('alter table orders add column note text'))

  await as(access.application, (db) => db.query('insert into results values (1)'))
})

test('provision: twice is once, and passwords that are in use go on', async () => {
  const again = await provisionServiceDatabase(url, { database })

  assert.deepEqual([again.owner.url, again.application.url], [null, null])
  await as(access.application, (db) => db.query('select 1'))
})

test('provision: nobody else enters the database, and others are closed to its role on demand', async () => {
  const other = `other_${randomBytes(4).toString('hex')}`
  await runOn(url, `create database ${other}`)
  await runOn(url, `create role ${other} login password 'test'`)
  assert.ok(access.canEnter.includes('postgres'))

  const { canEnter } = await provisionServiceDatabase(url, { database, closeTo: [other] })

  const enter = (role: string, password: string, name: string) => {
    const target = new URL(url)
    Object.assign(target, { username: role, password, pathname: `/${name}` })
    return as({ url: { reveal: () => target.href } }, (db) => db.query('select 1'))
  }
  assert.ok(!canEnter.includes(other))
  await enter(other, 'test', other)
  await assert.rejects(enter(other, 'test', database))
  await assert.rejects(enter(access.application.role, new URL(access.application.url?.reveal() ?? '').password, other))
  await runOn(url, `drop database ${other}`)
  await runOn(url, `drop role ${other}`)
})

test('deprovision: waits for clients to leave, then leaves nothing', async () => {
  const name = `gone_${randomBytes(4).toString('hex')}`
  const made = await provisionServiceDatabase(url, { database: name })
  const side = await openServiceDatabase(made.adminUrl.reveal())
  await side.openLog('rev', [])
  await side.close()
  const client = await connect(made.application.url?.reveal() ?? '').dedicated()

  await assert.rejects(deprovisionServiceDatabase(url, name, ['fwd']), ServiceDatabaseInUseError)
  await client.release()
  await deprovisionServiceDatabase(url, name, ['fwd'])
  await deprovisionServiceDatabase(url, name, ['fwd'])

  const db = connect(url)
  const left = await db.query(
    `select datname as name from pg_database where datname = $1 union all select rolname from pg_roles where rolname like $1 || '%'`,
    [name],
  )
  await db.close()
  assert.deepEqual(left, [])
})

test('freeDiskBytes: knows the disk of a server on this machine only', async () => {
  assert.ok(((await freeDiskBytes(url)) ?? 0) > 0)
  assert.equal(await freeDiskBytes('postgres://somewhere.invalid/x'), null)
})

test('read-only copy: arrives, follows, refuses writes, and ends', async () => {
  const reader = `reader_${randomBytes(4).toString('hex')}`
  const made = await provisionServiceDatabase(url, { database: reader })
  const ownerUrl = access.adminUrl.reveal()
  const readerUrl = made.adminUrl.reveal()
  await runOn(
    ownerUrl,
    `create table people (id int primary key, name text); insert into people values (1, 'a'), (2, 'b')`,
  )
  await runOn(readerUrl, 'create table people (id int primary key, name text)')
  await grantServiceRoles(readerUrl)
  await runOn(readerUrl, `create role ${reader}_desk; grant update (name) on people to ${reader}_desk, public`)
  const tls = new URL(ownerUrl)
  tls.searchParams.set('sslmode', 'prefer')
  const copy = { ownerUrl: tls.href, readerUrl, tables: [{ schema: 'public', name: 'people' }] }

  await makeReadOnlyCopy(copy)
  tls.searchParams.set('connect_timeout', '7')
  await makeReadOnlyCopy({ ...copy, ownerUrl: tls.href })
  await runOn(ownerUrl, `update people set name = 'z' where id = 2; insert into people values (3, 'c')`)
  assert.equal(typeof (await readOnlyCopyLag(copy)), 'number')

  const names = await as(made.application, async (db) => {
    while ((await db.query('select from people')).length < 3) await new Promise((resolve) => setTimeout(resolve, 20))
    await assert.rejects(db.query(`insert into people values (9, 'x')`), { sqlstate: '42501' })
    return db.query('select name from people order by id')
  })
  assert.deepEqual(names, [{ name: 'a' }, { name: 'z' }, { name: 'c' }])
  const [kept] = await as({ url: made.adminUrl }, (db) =>
    db.query(
      `select has_any_column_privilege($1, 'people', 'update') as writes, subconninfo ~ 'sslmode=''prefer''' as tls,
              subconninfo ~ 'connect_timeout=''7''' as follows
         from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())`,
      [`${reader}_desk`],
    ),
  )
  assert.deepEqual(kept, { writes: false, tls: true, follows: true })
  await dropReadOnlyCopy(copy, { dropTables: true })
  await dropReadOnlyCopy(copy)
  assert.equal(await readOnlyCopyLag(copy), null)
  await runOn(readerUrl, `drop role ${reader}_desk`)
  await deprovisionServiceDatabase(url, reader, [])
})
