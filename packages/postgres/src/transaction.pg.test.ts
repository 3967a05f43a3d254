import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { UsageError } from '@imhotep/base'
import { emptyDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { startProxy } from '../../../tests/support/proxy.ts'
import {
  CommitUnknownError,
  connect,
  ConnectionLostError,
  InvalidValueError,
  ReadOnlyTransactionError,
  UniqueViolationError,
  type Database,
} from './index.ts'

let database: TestDatabase
let db: Database
before(async () => {
  database = await emptyDatabase('transaction')
  db = connect(database.url)
  await db.query('create table accounts (id int primary key, balance int not null)')
  await db.query('insert into accounts values (1, 100), (2, 100)')
})
after(async () => {
  await db.close()
  await database.drop()
})

test('transaction: keeps all of it or nothing', async () => {
  const work = db.transaction(async (tx) => {
    await tx.query('insert into accounts values (3, 1)')
    throw new Error('changed my mind')
  })

  await assert.rejects(work, /changed my mind/)
  assert.deepEqual(await db.query('select 1 from accounts where id = 3'), [])
})

test('transaction: is rolled back when its first statement has more parameters than the protocol holds', async () => {
  const ids = Array.from({ length: 65_534 }, (_, id) => id)

  const work = db.transaction((tx) =>
    tx.query(`select id from accounts where id in (${ids.map((id) => `$${id + 1}`).join(',')})`, ids),
  )

  await assert.rejects(work, UsageError)
})

test('transaction: repeats the work after a serialization failure', async () => {
  let runs = 0
  const add = () =>
    db.transaction(
      async (tx) => {
        runs++
        const [row] = await tx.query<{ sum: number }>('select sum(balance)::int as sum from accounts where id < 3')
        await tx.query('update accounts set balance = balance + 1 where id = 1')
        return row?.sum
      },
      { isolation: 'serializable', retries: 20 },
    )

  const sums = await Promise.all(Array.from({ length: 8 }, add))

  assert.equal(new Set(sums).size, 8)
  assert.ok(runs > 8, 'nothing collided')
})

test('transaction: repeats the work after a deadlock', async () => {
  await db.query(`insert into accounts values (11, 0), (12, 0)`)
  const arrived: (() => void)[] = []
  const meet = () =>
    new Promise<void>((resolve) => {
      arrived.push(resolve)
      if (arrived.length >= 2) for (const go of arrived) go()
    })
  const add = (first: number, second: number) =>
    db.transaction(
      async (tx) => {
        await tx.query('update accounts set balance = balance + 1 where id = $1', [first])
        await meet()
        await tx.query('update accounts set balance = balance + 1 where id = $1', [second])
      },
      { first: [{ sql: `set local deadlock_timeout = '20ms'`, params: [] }] },
    )

  await Promise.all([add(11, 12), add(12, 11)])

  assert.deepEqual(await db.query('select balance from accounts where id in (11, 12)'), [
    { balance: 2 },
    { balance: 2 },
  ])
  assert.equal(arrived.length, 3)
})

test('transaction: repeats after a lock timeout as often as it is told', async () => {
  const holder = await db.dedicated()
  await holder.script('begin; lock table accounts')
  let runs = 0

  const work = db.transaction(
    (tx) => {
      runs++
      return tx.query('select 1 from accounts')
    },
    { retries: 2, first: [{ sql: `set local lock_timeout = '10ms'`, params: [] }] },
  )

  await assert.rejects(work, { code: 'IMH_LOCK_TIMEOUT' })
  assert.equal(runs, 3)
  await holder.release()
})

test('transaction: does not repeat after any other failure', async () => {
  let runs = 0
  const work = db.transaction((tx) => {
    runs++
    return tx.query('insert into accounts values (1, 1)')
  })

  await assert.rejects(work, UniqueViolationError)
  assert.equal(runs, 1)
})

test('transaction: does not look committed when the work swallowed an error', async () => {
  const work = db.transaction(async (tx) => {
    await tx.query('insert into accounts values (20, 1)')
    await tx.query('insert into accounts values (1, 1)').catch(() => undefined)
  })

  await assert.rejects(work, UniqueViolationError)
  assert.deepEqual(await db.query('select 1 from accounts where id = 20'), [])
})

test('transaction: tells why a statement of `first` failed, not that the work came too late', async () => {
  const work = db.transaction((tx) => tx.query('select 1'), { first: [{ sql: `select 'x'::int`, params: [] }] })

  await assert.rejects(work, InvalidValueError)
})

test('transaction: refuses statements after its end', async () => {
  const kept = await db.transaction(async (tx) => ({ tx }))

  await assert.rejects(kept.tx.query('select 1'), UsageError)
})

test('transaction: reads only when it is read only', async () => {
  await assert.rejects(
    db.transaction((tx) => tx.query('delete from accounts'), { readOnly: true }),
    ReadOnlyTransactionError,
  )
})

test('transaction: tells why the server refused the connection', async () => {
  const nowhere = new URL(database.url)
  nowhere.pathname = '/nowhere'
  const other = connect(nowhere.href)

  await assert.rejects(
    other.transaction((tx) => tx.query('select 1')),
    { sqlstate: '3D000' },
  )
  await other.close()
})

test('transaction: never goes on outside of the transaction when the connection is lost', async () => {
  const work = db.transaction(async (tx) => {
    await tx.query('insert into accounts values (30, 1)')
    await tx.query('select pg_terminate_backend(pg_backend_pid())').catch(() => undefined)
    await tx.query('insert into accounts values (31, 1)')
  })

  await assert.rejects(work, ConnectionLostError)
  assert.deepEqual(await db.query('select id from accounts where id in (30, 31)'), [])
})

test('transaction: says that the outcome is not known when the connection breaks during commit', async () => {
  const proxy = await startProxy(database.url)
  const through = connect(proxy.url)

  const work = through.transaction(async (tx) => {
    await tx.query('insert into accounts values (40, 1)')
    proxy.cut(/commit/)
  })

  await assert.rejects(work, CommitUnknownError)
  await through.close()
  await proxy.close()
})

test('transaction: sends BEGIN, `first` and the first statement of the work in one message', async () => {
  const proxy = await startProxy(database.url)
  const through = connect(proxy.url, { max: 1 })
  const work = () =>
    through.transaction((tx) => tx.query('select $1::int as one', [1]), {
      first: [{ sql: `select set_config('app.x', $1, true)`, params: ['y'] }],
    })
  await work() // The first time the parameters' types are asked for.
  proxy.messages.length = 0

  await work()

  const [opening, end] = proxy.messages
  assert.equal(proxy.messages.length, 2, 'one round trip for the opening and the statement, one for the commit')
  assert.match(opening ?? '', /begin/)
  assert.match(end ?? '', /commit/)
  await through.close()
  await proxy.close()
})

test('transaction: a server that is not there is told', async () => {
  const nowhere = connect('postgres://nobody@127.0.0.1:1/none')

  await assert.rejects(
    nowhere.transaction((tx) => tx.query('select 1')),
    { code: 'IMH_CONNECTION_FAILED' },
  )

  await nowhere.close()
})
