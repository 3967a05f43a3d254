import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readdir, readFile } from 'node:fs/promises'
import { normalisedHash } from '../parse/normalised-hash.ts'
import { parseSql } from '../parse/parse-sql.ts'
import { HistoryTableError } from './errors.ts'
import { brokenLink, historyTable, historyTableDdl, nextChain, type HistoryRow } from './history-table.ts'
import { sha256 } from './migration-file.ts'

function chainOf(...versions: string[]): HistoryRow[] {
  let chain: Buffer | null = null
  return versions.map((version) => {
    const checksum = sha256(version)
    chain = nextChain(chain, checksum)
    return { version, name: '', kind: 'versioned', file: '', checksum, chain, success: true, statementsDone: 0 }
  })
}

test('historyTable: reads a name with and without schema', () => {
  assert.equal(historyTable('core.history').sql, '"core"."history"')
  assert.equal(historyTable('history').sql, '"public"."history"')
})

test('historyTable: refuses what could be SQL', () => {
  for (const name of ['a.b.c', 'a;b', '"a"', 'a b', '', '.a'])
    assert.throws(() => historyTable(name), HistoryTableError, name)
})

test('brokenLink: finds no fault in an untouched history', () => {
  assert.equal(brokenLink(chainOf('1', '2', '3')), null)
  assert.equal(brokenLink([]), null)
})

test('brokenLink: finds a row that was removed, changed, swapped or put in', () => {
  const [one, two, three] = chainOf('1', '2', '3') as [HistoryRow, HistoryRow, HistoryRow]

  assert.equal(brokenLink([one, three]), '3')
  assert.equal(brokenLink([one, { ...two, checksum: sha256('other') }, three]), '2')
  assert.equal(brokenLink([two, one, three]), '2')
  assert.equal(brokenLink([...chainOf('0'), one, two, three]), '1')
})

test('brokenLink: repeatable files and seeds hang on the chain without being part of it', () => {
  const [one, two] = chainOf('1', '2') as [HistoryRow, HistoryRow]

  assert.equal(brokenLink([one, { ...one, version: 'R__v', kind: 'repeatable' }, two]), null)
})

test('historyTableDdl: is the table that the schema of this repository describes', async () => {
  const directory = new URL('../../../../schema/core/', import.meta.url)
  const name = (await readdir(directory)).find((file) => file.endsWith('-schema_migrations.sql')) ?? 'missing'
  const tableOf = async (text: string) => {
    const { statements } = await parseSql(text.replaceAll('if not exists', ''), name)
    return statements.find(({ kind }) => kind === 'CreateStmt')?.text ?? 'no table'
  }

  const [ours, theirs] = [historyTableDdl(historyTable()), await readFile(new URL(name, directory), 'utf8')]

  const plain = (await tableOf(ours)).replaceAll('"', '')
  assert.equal(await normalisedHash(plain), await normalisedHash(await tableOf(theirs)))
})
