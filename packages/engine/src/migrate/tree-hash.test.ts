import assert from 'node:assert/strict'
import { test } from 'node:test'
import { normalisedHash } from '../parse/normalised-hash.ts'
import { parseSql } from '../parse/parse-sql.ts'
import { treeHash } from './tree-hash.ts'

test('treeHash: is the normalised hash of the text', async () => {
  const texts = [
    '',
    '-- é\nselect 😀 from "ü";\r\n',
    `create table a (id int check (id in (1, 2))); comment on table a is 'x'`,
  ]

  for (const text of texts) {
    const { statements } = await parseSql(text, 'x.sql')
    assert.equal(treeHash(statements).toString('hex'), await normalisedHash(text))
  }
})
