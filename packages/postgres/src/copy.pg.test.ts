import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { emptyDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import {
  connect,
  ConnectionLostError,
  DatabaseError,
  InvalidValueError,
  UndefinedObjectError,
  UniqueViolationError,
  type Connection,
  type Database,
} from './index.ts'

let database: TestDatabase
let db: Database
before(async () => {
  database = await emptyDatabase('copy')
  db = connect(database.url, { max: 1 })
  await db.query('create table numbers (n int primary key, name text)')
})
after(async () => {
  await db.close()
  await database.drop()
})

async function count(): Promise<unknown> {
  const [row] = await db.query<{ count: number }>('select count(*) from numbers')
  return row?.count
}

test('copyFrom: streams many rows from an iterable of text or bytes', async () => {
  const rows = function* () {
    for (let n = 0; n < 50_000; n++) yield n % 2 === 0 ? `${n}\tÄ${n}\n` : Buffer.from(`${n}\t\\N\n`)
  }

  await db.copyFrom('copy numbers from stdin', rows())

  assert.equal(await count(), 50_000)
  assert.deepEqual(await db.query('select name from numbers where n = 49998'), [{ name: 'Ä49998' }])
})

test('copyFrom: keeps nothing when a row is refused, the last one too', async () => {
  await db.query('truncate numbers')

  await assert.rejects(db.copyFrom('copy numbers from stdin', ['1\ta\n', '1\tb\n']), UniqueViolationError)

  assert.equal(await count(), 0)
})

test('copyFrom: stops in the middle of a long stream when a row is refused', async () => {
  let sent = 0
  const rows = async function* () {
    yield 'not a number\ta\n'
    for (; sent < 1_000_000; sent++) yield `${sent}\t${'x'.repeat(500)}\n`
  }

  await assert.rejects(db.copyFrom('copy numbers from stdin', rows()), InvalidValueError)

  assert.ok(sent < 1_000_000)
  assert.equal(await count(), 0)
})

test('copyFrom: keeps nothing and passes the error on when the source fails', async () => {
  const rows = function* () {
    yield '1\ta\n'
    throw new Error('the file ends here')
  }

  await assert.rejects(db.copyFrom('copy numbers from stdin', rows()), /the file ends here/)

  assert.equal(await count(), 0)
})

test('copyFrom: takes an empty source, and tells of a table that is missing', async () => {
  await db.copyFrom('copy numbers from stdin', [])
  await assert.rejects(db.copyFrom('copy nowhere from stdin', ['1\n']), UndefinedObjectError)

  assert.equal(await count(), 0)
})

test('Connection.copyTo: gives what copyFrom took, byte for byte, while the connection goes on', async () => {
  await using connection = await dedicated()
  const text = Array.from({ length: 60_000 }, (_, n) => `${n}\t${'Ä'.repeat(n % 50)}\n`).join('')

  await connection.script('begin; truncate numbers')
  await connection.copyFrom('copy numbers from stdin', [text])
  const pieces: Buffer[] = []
  for await (const piece of connection.copyTo('copy (select * from numbers order by n) to stdout')) pieces.push(piece)
  const [row] = await connection.query<{ count: number }>('select count(*) from numbers')
  await connection.script('rollback')

  assert.equal(Buffer.concat(pieces).toString(), text)
  assert.equal(row?.count, 60_000)
})

test('Connection.copyTo: waits for a slow reader', async () => {
  await using connection = await dedicated()
  let bytes = 0

  for await (const piece of connection.copyTo(
    `copy (select repeat('x', 1000) from generate_series(1, 20000)) to stdout`,
  )) {
    bytes += piece.length
    if (bytes < 200_000) await new Promise((resolve) => setTimeout(resolve, 1))
    assert.ok(piece.length < 2 ** 20)
  }

  assert.equal(bytes, 20_000 * 1001)
})

test('Connection.copyTo: tells a refusal before and in the midst of the rows, and the connection goes on', async () => {
  await using connection = await dedicated()
  const read = async (sql: string) => {
    for await (const piece of connection.copyTo(sql)) assert.ok(piece)
  }

  await assert.rejects(read('copy nowhere to stdout'), UndefinedObjectError)
  await assert.rejects(read('copy (select 1 / (5000 - n) from generate_series(1, 9000) n) to stdout'), DatabaseError)

  assert.deepEqual(await connection.query('select 1 as one'), [{ one: 1 }])
})

test(
  'Connection.copyTo: goes on after a refusal behind more rows than the driver holds',
  { timeout: 20_000 },
  async () => {
    await using connection = await dedicated()
    const read = async () => {
      const rows = `copy (select repeat('x', 100000), 1 / (600 - n) from generate_series(1, 1000) n) to stdout`
      for await (const piece of connection.copyTo(rows)) await sleep(piece.length > 0 ? 1 : 0)
    }

    await assert.rejects(read(), { sqlstate: '22012' })

    assert.deepEqual(await connection.query('select 1 as one'), [{ one: 1 }])
  },
)

test('Connection.copyTo: closes the connection when the reader leaves early', async () => {
  await using connection = await dedicated()

  for await (const piece of connection.copyTo('copy (select * from generate_series(1, 1000000)) to stdout')) {
    assert.ok(piece)
    break
  }

  await assert.rejects(connection.query('select 1'), ConnectionLostError)
})

test('Connection.copyFrom: a refused row aborts the transaction and leaves the connection', async () => {
  await using connection = await dedicated()

  await connection.script('begin')
  await assert.rejects(connection.copyFrom('copy numbers from stdin', ['x\ta\n']), InvalidValueError)
  await connection.script('rollback')

  assert.deepEqual(await connection.query('select 1 as one'), [{ one: 1 }])
})

async function dedicated(): Promise<Connection & AsyncDisposable> {
  const connection = await db.dedicated()
  return { ...connection, [Symbol.asyncDispose]: () => connection.release() }
}
