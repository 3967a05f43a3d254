import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { emptyDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { connect, InvalidValueError, UndefinedObjectError, UniqueViolationError, type Database } from './index.ts'

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
