import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lintFiles } from '../lint-files.ts'
import { lintRules } from '../rules/index.ts'

const BASE = `
  create table customers (id bigint primary key);
  create table orders (id bigint primary key, customer_id bigint, note text);
  create table visits (at date not null, customer_id bigint) partition by range (at);`

async function lint(text: string, serverVersion: number) {
  const sources = [
    { path: 'V001__base.sql', text: BASE },
    { path: 'V002__change.sql', text },
  ]
  const { findings, edits } = await lintFiles(sources, { rules: lintRules, since: '1', serverVersion })
  return { findings, edits: [...edits.values()].flat() }
}

test('foreign-key-not-valid: offers NOT VALID for a partitioned table from PostgreSQL 18 on, which takes it', async () => {
  const text = 'alter table visits add foreign key (customer_id) references customers (id)'

  const [old, now] = [await lint(text, 17), await lint(text, 18)]

  assert.deepEqual([old.edits.length, now.edits.length], [0, 1])
  assert.ok(old.findings.some(({ rule }) => rule === 'foreign-key-not-valid'))
})

test('not-null-scans: offers a not null constraint that is not valid from PostgreSQL 18 on, a check before', async () => {
  const text = 'alter table orders alter column note set not null'
  const fixIn = async (version: number) =>
    (await lint(text, version)).findings.find(({ rule }) => rule === 'not-null-scans')?.fix ?? ''

  const [old, now] = [await fixIn(17), await fixIn(18)]

  assert.match(old, /check \(note is not null\) not valid.*set not null/s)
  assert.match(now, /add constraint note_not_null not null note not valid/)
})
