import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sentStatements } from './bindings.ts'

async function texts(sql: string, ...bindings: unknown[]): Promise<string[]> {
  return (await sentStatements(sql, bindings, 'x.js')).map(({ text }) => text)
}

test('sentStatements: puts each binding where its parameter stands, and nowhere else', async () => {
  const sql = `insert into t values ($1, '$2', $2, "$1") -- $3\n`

  assert.deepEqual(await texts(sql, "it's", 5), [`insert into t values ('it''s', '$2', '5', "$1")`])
})

test('sentStatements: counts in characters that take more than one byte', async () => {
  assert.deepEqual(await texts(`select 'é😀' || $1 || $2`, 'ü', 'z'), [`select 'é😀' || 'ü' || 'z'`])
})

test('sentStatements: keeps the tenth parameter apart from the first', async () => {
  const numbers = Array.from({ length: 10 }, (_, index) => index)

  const [text] = await texts(`select ${numbers.map((n) => `$${n + 1}`).join(',')}`, ...numbers)

  assert.equal(text, `select ${numbers.map((n) => `'${n}'`).join(',')}`)
})

test('sentStatements: takes several statements apart', async () => {
  assert.deepEqual(await texts('create table a (); -- one\ncreate table b ();\n'), [
    'create table a ()',
    'create table b ()',
  ])
})

test('sentStatements: leaves a text that does not parse to the server', async () => {
  const [sent] = await sentStatements('create tabel x', [], 'x.js')

  assert.deepEqual(sent, { text: 'create tabel x', parsed: null })
})
