import assert from 'node:assert/strict'
import { test } from 'node:test'
import { normalisedHash } from './normalised-hash.ts'

test('normalisedHash: comments, white space, line ends and keyword case do not count', async () => {
  const a = await normalisedHash('create table a.b (id int, name text);\r\n')
  const b = await normalisedHash('-- why\nCREATE TABLE a.b (\n  id integer, -- é\n  name text)')

  assert.equal(a, b)
})

test('normalisedHash: a changed default, name or function body counts', async () => {
  const texts = ['select 1', 'select 2', "select '1'", 'do $$ begin end $$', 'do $$ begin  end $$']

  const hashes = new Set(await Promise.all(texts.map(normalisedHash)))

  assert.equal(hashes.size, texts.length)
})

test('normalisedHash: a text that does not parse is hashed as it stands', async () => {
  assert.notEqual(await normalisedHash('selct 1'), await normalisedHash('selct  1'))
  assert.equal(await normalisedHash('selct 1'), await normalisedHash('selct 1'))
})
