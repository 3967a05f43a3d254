import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSql } from '../parse/parse-sql.ts'
import { MigrationStatementError } from './errors.ts'
import { transactionMode } from './transaction-mode.ts'

const modeOf = async (text: string) => transactionMode(await parseSql(text, 'V1__x.sql'))

const alone = [
  'create index concurrently a_id on a (id)',
  'drop index concurrently a_id',
  'reindex index concurrently a_id',
  'reindex (concurrently) table a',
  'reindex schema public',
  'alter table a detach partition b concurrently',
  'vacuum a',
  'cluster',
  "alter system set work_mem = '8MB'",
  'create database d',
  'drop database d',
  "create subscription s connection '' publication p",
  "alter type e add value 'new'; insert into a values ('new')",
  '-- imhotep:no-transaction\nselect 1',
  '\n  -- imhotep:no-transaction, because of the long backfill\nselect 1',
]
for (const text of alone) {
  test(`transactionMode: runs '${text.trim()}' without a transaction`, async () => {
    assert.equal((await modeOf(text)).transactional, false)
  })
}

const together = [
  'create index a_id on a (id)',
  'analyze a',
  'cluster a',
  'reindex table a',
  'refresh materialized view concurrently v',
  'alter table a detach partition b',
  "alter type e add value 'new'",
  "create type e as enum ('a'); alter type e add value 'new'; insert into a values ('new')",
  "alter type e rename value 'old' to 'new'; insert into a values ('new')",
  'select 1; -- imhotep:no-transaction',
  '',
]
for (const text of together) {
  test(`transactionMode: runs '${text}' in a transaction`, async () => {
    assert.equal((await modeOf(text)).transactional, true)
  })
}

test('transactionMode: takes away BEGIN and COMMIT around the whole file without moving anything', async () => {
  const text = '-- x\nbegin;\ncreate table a ();\ncommit;\n'

  const mode = await modeOf(text)

  assert.equal(mode.text, '-- x\n     ;\ncreate table a ();\n      ;\n')
  assert.deepEqual(
    mode.statements.map(({ kind }) => kind),
    ['CreateStmt'],
  )
})

const refused = [
  'create table a (); commit; create table b ()',
  'begin; select 1; commit; begin; select 2; commit',
  'rollback',
  'begin isolation level serializable; select 1; commit',
  'create index concurrently on a (id)',
  'copy a from stdin',
  'copy (select 1) to stdout',
]
for (const text of refused) {
  test(`transactionMode: refuses '${text}'`, async () => {
    await assert.rejects(modeOf(text), (error: MigrationStatementError) => {
      assert.match(error.message, /^V1__x\.sql:1:\d+: /)
      return error.code === 'IMH_MIGRATION_STATEMENT'
    })
  })
}

test('transactionMode: leaves savepoints and COPY from and to a file alone', async () => {
  const mode = await modeOf("savepoint a; rollback to a; release a; copy t from '/tmp/x'; copy t to '/tmp/x'")

  assert.equal(mode.statements.length, 5)
})
