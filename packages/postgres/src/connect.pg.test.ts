import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { after, before, test } from 'node:test'
import { UsageError } from '@imhotep/base'
import { emptyDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import {
  AuthenticationFailedError,
  connect,
  ConnectionFailedError,
  ConnectionLostError,
  DatabaseMissingError,
  StatementSyntaxError,
  UniqueViolationError,
  type Database,
  type Notice,
} from './index.ts'

let database: TestDatabase
let db: Database
const notices: Notice[] = []
before(async () => {
  database = await emptyDatabase('connect')
  db = connect(database.url, { max: 2, onNotice: (notice) => notices.push(notice) })
})
after(async () => {
  await db.close()
  await database.drop()
})

test('query: brings values back as they were sent', async () => {
  const sent = [7, 'Ünal', true, ['a"\\', null, '{x}'], [{ a: 1 }], { b: [true] }, Buffer.from([0, 255]), [1n, 2n]]

  const [row] = await db.query<Record<string, unknown>>(
    `select $1::int8 a, $2::text b, $3::bool c, $4::text[] d, $5::jsonb e, $6::jsonb f, $7::bytea g, $8::int8[] h`,
    sent,
  )

  assert.deepEqual(Object.values(row ?? {}), [...sent.slice(0, 7), [1, 2]])
})

test('query: keeps what JavaScript cannot hold as text', async () => {
  const [row] = await db.query(
    `select 9007199254740993 as big, 1.10 as exact, date '2024-02-29' as day, timestamp '2024-02-29 10:00' as at_clock,
            '5'::xid8 as x, timestamptz '2024-02-29 10:00+05:30' as instant, timestamptz 'infinity' as for_ever`,
  )

  assert.deepEqual(row, {
    big: '9007199254740993',
    exact: '1.10',
    day: '2024-02-29',
    at_clock: '2024-02-29 10:00:00',
    x: '5',
    instant: new Date('2024-02-29T04:30:00Z'),
    for_ever: new Date(8.64e15),
  })
})

test('query: reads instants of every year and offset as the instants that they are', async () => {
  await db.transaction(async (tx) => {
    await tx.query(`set local timezone = 'Asia/Kolkata'`)
    const [row] =
      await tx.query(`select timestamptz '0001-01-01 00:00:00Z' as first, timestamptz '0044-03-15 12:00Z BC' as ides,
      timestamptz '1800-06-01 00:00:00.25Z' as local_time, timestamptz '12024-02-29 10:00Z' as far,
      array[timestamptz '0099-12-31 23:59:59Z'] as several`)

    assert.deepEqual(row, {
      first: new Date('0001-01-01T00:00:00Z'),
      ides: new Date('-000043-03-15T12:00:00Z'),
      local_time: new Date('1800-06-01T00:00:00.250Z'),
      far: new Date('+012024-02-29T10:00:00Z'),
      several: [new Date('0099-12-31T23:59:59Z')],
    })
  })
})

test('query: reads instants also where the database has another DateStyle, and bytea only as it is written', async () => {
  const [{ name }] = (await db.query<{ name: string }>('select current_database() as name')) as [{ name: string }]
  await db.query(`alter database "${name}" set datestyle = 'German'`)
  await db.query(`alter database "${name}" set bytea_output = 'escape'`)
  const one = connect(database.url, { max: 1 })
  try {
    assert.deepEqual(await one.query(`select timestamptz '2024-03-04 05:06Z' as at, date '2024-03-04' as day`), [
      { at: new Date('2024-03-04T05:06Z'), day: '2024-03-04' },
    ])
    await assert.rejects(one.query(`select '\\x6869'::bytea`), { hint: /bytea_output/ })
    await one.query(`set datestyle = 'German'`)
    await assert.rejects(one.query(`select timestamptz '2024-03-04 05:06Z'`), { hint: /DateStyle/ })
    assert.deepEqual(await one.query('select 1 as one'), [{ one: 1 }])
  } finally {
    await one.close()
    await db.query(`alter database "${name}" reset all`)
  }
})

test('query: takes text for a json parameter as JSON', async () => {
  const [row] = await db.query(`select $1::jsonb ->> 'a' as a`, ['{"a": "b"}'])

  assert.deepEqual(row, { a: 'b' })
})

test('query: binds arrays of booleans, dates and the types of the schema', async () => {
  await db.query(`create type mood as enum ('well', 'ill')`)
  const instants = [new Date(0), new Date('2024-01-01T00:00:00Z')]

  const [row] = await db.query(`select $1::bool[] a, $2::timestamptz[] b, $3::mood[]::text[] c, $4::jsonb[] d`, [
    [true, false],
    instants,
    ['well', 'ill'],
    [{ x: '"' }],
  ])

  assert.deepEqual(row, { a: [true, false], b: instants, c: ['well', 'ill'], d: [{ x: '"' }] })
})

test('query: refuses undefined without disturbing statements under way', async () => {
  const slow = db.query('select pg_sleep(0.05), 1 as one')

  await assert.rejects(db.query('select $1::text', [undefined]), UsageError)

  assert.equal((await slow).length, 1)
})

test('query: refuses two statements in one text', async () => {
  await assert.rejects(db.query('select 1; select 2'), StatementSyntaxError)
})

test('query: plans a repeated text once', async () => {
  const one = connect(database.url, { max: 1 })
  for (const number of [1, 2, 3]) await one.query('select $1::int as repeated', [number])

  const prepared = await one.query(`select 1 from pg_prepared_statements where statement like '%as repeated'`)

  assert.equal(prepared.length, 1)
  await one.close()
})

test('query: follows a table whose columns change under a prepared statement', async () => {
  await db.query('create table changing (a int)')
  await db.query('insert into changing values (1)')
  const one = connect(database.url, { max: 1 })
  await one.query('select * from changing')
  await db.query('alter table changing add b int default 2')

  const inQuery = await one.query('select * from changing')
  await db.query('alter table changing add c int default 3')
  const inTransaction = await one.transaction((tx) => tx.query('select * from changing'))

  assert.deepEqual(inQuery, [{ a: 1, b: 2 }])
  assert.deepEqual(inTransaction, [{ a: 1, b: 2, c: 3 }])
  await one.close()
})

test('connect: hands notices over', async () => {
  await db.query(`do $$ begin raise warning 'careful'; end $$`)

  assert.deepEqual(notices.at(-1), { severity: 'WARNING', sqlstate: '01000', message: 'careful' })
})

test('connect: opens no more than max connections and serves all who wait', async () => {
  const rows = await Promise.all(
    Array.from({ length: 20 }, () => db.query<{ pid: number }>('select pg_backend_pid() as pid, pg_sleep(0.005)')),
  )

  assert.equal(rows.length, 20)
  assert.ok(new Set(rows.map(([row]) => row?.pid)).size <= 2)
})

test('connect: replaces connections that the server has ended, also for those who wait', async () => {
  const killer = await connect(database.url).dedicated()
  const sleepers = ['a', 'b', 'c', 'd'].map((name) => db.query(`select pg_sleep(0.5), '${name}' as name`))
  const outcomes = Promise.allSettled(sleepers)
  const asleep = `select pid from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`
  while ((await killer.query(asleep)).length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  await killer.query(`select pg_terminate_backend(pid) from (${asleep}) as sleepers`)

  const [first, second, ...waited] = await outcomes

  assert.ok(first?.status === 'rejected' && first.reason instanceof ConnectionLostError)
  assert.ok(second?.status === 'rejected' && second.reason instanceof ConnectionLostError)
  assert.deepEqual(
    waited.map(({ status }) => status),
    ['fulfilled', 'fulfilled'],
  )
  await killer.release()
})

test('dedicated: is a connection of its own, and gone after release', async () => {
  const connection = await db.dedicated()
  await connection.script('select pg_advisory_lock(77); set application_name = mine')
  const held = await db.query('select pid from pg_locks where locktype = $1', ['advisory'])

  await connection.release()

  assert.deepEqual(held, [{ pid: connection.pid }])
  await assert.rejects(connection.query('select 1'), ConnectionLostError)
})

test('script: is one implicit transaction', async () => {
  const connection = await db.dedicated()

  await assert.rejects(
    connection.script('create table half (a int primary key); insert into half values (1), (1)'),
    UniqueViolationError,
  )

  const [row] = await connection.query(`select to_regclass('half') as half`)
  assert.deepEqual(row, { half: null })
  await connection.release()
})

test('answer: gives the command, the columns with their types and the values as the server wrote them', async () => {
  const connection = await db.dedicated()

  const made = await connection.answer('create temporary table answered (a int, b text)')
  const inserted = await connection.answer(`insert into answered values (1, 'ü'), (2, null)`)
  const read = await connection.answer('select a, b, a = 1 as a from answered')

  assert.deepEqual([made.command, made.columns, made.rows], ['CREATE TABLE', [], []])
  assert.deepEqual([inserted.command, inserted.count], ['INSERT', 2])
  assert.deepEqual(read, {
    command: 'SELECT',
    count: 2,
    columns: [
      { name: 'a', type: 23 },
      { name: 'b', type: 25 },
      { name: 'a', type: 16 },
    ],
    rows: [
      ['1', 'ü', 't'],
      ['2', null, 'f'],
    ],
  })
  await connection.release()
})

test('connect: says what is wrong with the address, the password or the database', async () => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const wrong = (change: (url: URL) => void) => {
    const url = new URL(database.url)
    change(url)
    return connect(url.href).query('select 1')
  }

  await assert.rejects(
    wrong((url) => (url.port = String(port))),
    ConnectionFailedError,
  )
  await assert.rejects(
    wrong((url) => (url.password = 'wrong')),
    AuthenticationFailedError,
  )
  await assert.rejects(
    wrong((url) => (url.pathname = '/nowhere')),
    DatabaseMissingError,
  )
})

test('connect: reaches the server through its unix socket', async () => {
  const { port } = new URL(database.url)
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-socket-'))
  const server = net.createServer((socket) => socket.pipe(net.connect(Number(port), '127.0.0.1')).pipe(socket))
  await new Promise<void>((resolve) => server.listen(join(directory, '.s.PGSQL.5432'), resolve))
  const url = new URL(database.url)
  url.hostname = encodeURIComponent(directory)
  url.port = ''
  const local = connect(url.href, { max: 1 })

  const rows = await local.query('select 1 as one')

  assert.deepEqual(rows, [{ one: 1 }])
  await local.close()
  server.close()
  await rm(directory, { recursive: true })
})

test('connect: a certificate that nobody vouches for is a failed connection with a way out', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-tls-'))
  t.after(() => rm(directory, { recursive: true }))
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=db',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
  ])
  if (made.status !== 0) return t.skip('needs openssl (apt-get install openssl)')
  const secureContext = tls.createSecureContext({ key: await readFile(key), cert: await readFile(cert) })
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write('S')
      new tls.TLSSocket(socket, { isServer: true, secureContext }).on('error', () => undefined)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as net.AddressInfo

  for (const more of ['', `&sslrootcert=${cert}`]) {
    await assert.rejects(
      connect(`postgres://u:p@127.0.0.1:${port}/d?sslmode=verify-full${more}`).query('select 1'),
      (error) =>
        error instanceof ConnectionFailedError && /certificate/.test(error.message) && /sslmode/.test(`${error.hint}`),
    )
  }
})

test('close: may be called twice while statements are under way', async () => {
  const closing = connect(database.url)
  const slow = closing.query('select pg_sleep(0.05), 1 as one')

  await Promise.all([closing.close(), closing.close()])

  assert.equal((await slow).length, 1)
})

test('close: waits for statements under way and refuses later ones', async () => {
  const closing = connect(database.url)
  const slow = closing.query('select pg_sleep(0.05), 1 as one')

  await closing.close()

  assert.equal((await slow).length, 1)
  await assert.rejects(closing.query('select 1'), UsageError)
})

test('dedicated: statements that wait behind another when the connection is lost are told as well', async () => {
  const connection = await db.dedicated()
  const killer = await db.dedicated()
  const running = [10, 0, 0, 0].map((seconds) => connection.query('select pg_sleep($1)', [seconds]))
  const outcomes = Promise.allSettled(running)
  await new Promise((resolve) => setTimeout(resolve, 50))
  await killer.query('select pg_terminate_backend($1, 5000)', [connection.pid])
  await killer.release()

  assert.deepEqual(
    (await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason instanceof ConnectionLostError),
    [true, true, true, true],
  )
  await connection.release()
})

test('dedicated: every statement behind a loss says so', async () => {
  const connection = await db.dedicated()
  const killer = await db.dedicated()
  const running = connection.script('select pg_sleep(10)')
  running.catch(() => undefined)
  await killer.query('select pg_terminate_backend($1, 5000)', [connection.pid])
  await killer.release()

  await assert.rejects(running, ConnectionLostError)
  for (let n = 0; n < 3; n++) await assert.rejects(connection.script('rollback'), ConnectionLostError)
  await assert.rejects(connection.answer('select 1'), ConnectionLostError)
  await assert.rejects(connection.copyFrom('copy changing from stdin', []), ConnectionLostError)

  assert.equal(connection.lost, true)
  await connection.release()
})
