import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import type { Column } from '../catalog/model.ts'
import { losesValues, usingClause } from './type-change.ts'

let database: TestDatabase
let db: Database
before(async () => {
  database = await emptyDatabase()
  db = connect(database.url)
})
after(async () => {
  await db.close()
  await database.drop()
})

class Undo extends Error {}

/** What becomes of a value when its column changes its type: its text, or the SQLSTATE. */
async function becomes(value: string, from: string, to: string): Promise<string> {
  let text = ''
  const work = db.transaction(async (tx) => {
    await tx.query(`create table t (v ${from})`)
    await tx.query(`insert into t values (${value})`)
    const using = usingClause({ name: 'v', type: from } as Column, { name: 'v', type: to, generated: null } as Column)
    await tx.query(`alter table t alter column v type ${to}${using}`)
    const [row] = await tx.query<{ text: string }>('select v::text as text from t')
    text = row?.text ?? ''
    throw new Undo()
  })
  return work.then(
    () => text,
    (error: Error & { sqlstate?: string }) => (error instanceof Undo ? text : (error.sqlstate ?? String(error))),
  )
}

const tooLong = '22001'
const changes = [
  [`'abcdefghij'`, 'character varying(50)', 'character varying(5)', tooLong],
  [`'abcdefghij'`, 'text', 'character(5)', tooLong],
  [`'{abcdefghij}'`, 'text[]', 'character varying(5)[]', tooLong],
  ['12345', 'integer', 'character varying(3)', tooLong],
  ['12345', 'integer', 'character varying(5)', '12345'],
  [`'{12345}'`, 'integer[]', 'character varying(3)[]', tooLong],
  [`'10101'`, 'bit varying(5)', 'bit varying(3)', tooLong],
  [`'10101'`, 'text', 'bit varying(3)', tooLong],
  [`'10101'`, 'text', 'bit(5)', '10101'],
  [`'{a,b}'`, 'text', 'text[]', '{a,b}'],
  [`'{a,b}'`, 'text[]', 'text', '{a,b}'],
  [`'12'`, 'text', 'integer', '12'],
  [`'yes'`, 'text', 'boolean', 'true'],
  ['true', 'boolean', 'text', 'true'],
  ['123456', 'bigint', 'smallint', '22003'],
] as const
for (const [value, from, to, expected] of changes) {
  test(`usingClause: ${value} of ${from} becomes ${expected} as ${to}`, async () => {
    assert.equal(await becomes(value, from, to), expected)
    assert.equal(losesValues(from, to), false)
  })
}

const losses = [
  ['1.2345', 'numeric(12,4)', 'numeric(9,2)', '1.23'],
  ['1.5', 'numeric', 'integer', '2'],
  ['1.5', 'double precision', 'bigint', '2'],
  ['1.23456789', 'double precision', 'real', '1.2345679'],
  ['0.1234567890123456', 'double precision', 'numeric', '0.123456789012346'],
  [`'1 day 2 hours'`, 'interval', 'interval day', '1 day'],
  ['123456789', 'integer', 'real', '1.2345679e+08'],
  ['12345678901234567890.5', 'numeric', 'double precision', '1.2345678901234567e+19'],
  [`'2026-01-02 03:04:05'`, 'timestamp without time zone', 'date', '2026-01-02'],
  [`'2026-01-02 03:04:05'`, 'timestamp without time zone', 'time without time zone', '03:04:05'],
  [`'03:04:05+02'`, 'time with time zone', 'time without time zone', '03:04:05'],
  [`'03:04:05.123456'`, 'time without time zone', 'time(3) without time zone', '03:04:05.123'],
  [`'26 hours'`, 'interval', 'time without time zone', '02:00:00'],
] as const
for (const [value, from, to, expected] of losses) {
  test(`losesValues: ${value} of ${from} becomes ${expected} as ${to}`, async () => {
    assert.equal(await becomes(value, from, to), expected)
    assert.equal(losesValues(from, to), true)
  })
}

const harmless = [
  ['numeric(9,2)', 'numeric(12,4)'],
  ['integer', 'bigint'],
  ['bigint', 'numeric'],
  ['numeric(10,0)', 'bigint'],
  ['integer', 'double precision'],
  ['date', 'timestamp with time zone'],
  ['timestamp without time zone', 'timestamp with time zone'],
  ['time(3) without time zone', 'time without time zone'],
  ['jsonb', 'json'],
  ['time without time zone', 'interval'],
  ['interval day', 'interval'],
] as const
for (const [from, to] of harmless) {
  test(`losesValues: not from ${from} to ${to}`, () => assert.equal(losesValues(from, to), false))
}
