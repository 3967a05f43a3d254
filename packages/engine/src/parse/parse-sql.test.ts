import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { parseSql } from './parse-sql.ts'
import { loadParser, parseRaw } from './parser.ts'

test('parseSql: gives every statement its text, kind and place', async () => {
  const text = `-- the house\ncreate table a.b (id int);\n\n  /* é 😀 */ select 'é😀', 2 ; -- end\n`

  const { statements, errors } = await parseSql(text, 'x.sql')

  assert.deepEqual(errors, [])
  assert.deepEqual(
    statements.map(({ kind, text, line, column }) => ({ kind, text, line, column })),
    [
      { kind: 'CreateStmt', text: 'create table a.b (id int)', line: 2, column: 1 },
      { kind: 'SelectStmt', text: "select 'é😀', 2", line: 4, column: 14 },
    ],
  )
  for (const { start, end, text: own } of statements) assert.equal(text.slice(start, end), own)
})

test('parseSql: counts locations inside the tree in UTF-16 units of the file', async () => {
  const text = "select 'é😀'; select 'ü', later.name"

  const { statements } = await parseSql(text, 'x.sql')

  const locations = [...JSON.stringify(statements[1]?.node).matchAll(/"location":(\d+)/g)].map((m) => Number(m[1]))
  assert.ok(locations.includes(text.indexOf('later')), String(locations))
})

test('parseSql: leaves comments behind a last statement without semicolon out of it', async () => {
  const { statements } = await parseSql('select 1 -- one; two\n/* three */', 'x.sql')

  assert.deepEqual(
    statements.map((s) => s.text),
    ['select 1'],
  )
})

test('parseSql: finds every broken statement and keeps the good ones', async () => {
  const text = "select 1;\nselct 'é😀' 2;\nselect 3;\ncreate table (;\nselect $$;$$"

  const { statements, errors } = await parseSql(text, 'dir/x.sql')

  assert.deepEqual(
    statements.map((s) => s.text),
    ['select 1', 'select 3', 'select $$;$$'],
  )
  assert.deepEqual(
    errors.map((e) => [e.code, e.file, e.line, e.column]),
    [
      ['IMH_SQL_SYNTAX', 'dir/x.sql', 2, 1],
      ['IMH_SQL_SYNTAX', 'dir/x.sql', 4, 14],
    ],
  )
  assert.deepEqual(
    statements.map((s) => s.line),
    [1, 3, 5],
  )
})

test('parseSql: shows the place of an error with a caret', async () => {
  const { errors } = await parseSql('select 1;\n  select from from', 'x.sql')

  assert.equal(
    errors[0]?.message,
    'x.sql:2:15: syntax error at or near "from"\n1 | select 1;\n2 |   select from from\n  |               ^',
  )
})

test('parseSql: says what to do about a placeholder, by whose it is, and about a command of psql', async () => {
  const texts = [
    'create schema ${app:name}',
    'create table @cdmDatabaseSchema.person (id int)',
    'select :v',
    'create table {{ schema }}.a (id int)',
    String.raw`\restrict k3y`,
    'select @ from a',
  ]

  const errors = await Promise.all(texts.map(async (text) => (await parseSql(text, 'x.sql')).errors[0]))

  assert.deepEqual(
    errors.map((error) => error?.advice?.split(/,|: let|;/)[0] ?? null),
    [
      'give the placeholder a value: --placeholder app:name=VALUE',
      '@cdmDatabaseSchema is a placeholder of another program',
      ':v is a placeholder of another program',
      '{{ schema }} is a placeholder of another program',
      'take the line out',
      null,
    ],
  )
})

test('parseSql: reports an unterminated string where it starts', async () => {
  const { errors, statements } = await parseSql("select 1; select 'open", 'x.sql')

  assert.equal(statements.length, 1)
  assert.deepEqual([errors[0]?.line, errors[0]?.column], [1, 18])
})

test('parseSql: refuses a NUL, which would hide the rest of the file', async () => {
  const { statements, errors } = await parseSql('select 1;\0drop table a', 'x.sql')

  assert.equal(statements.length, 0)
  assert.equal(errors.length, 1)
})

test('parseSql: accepts a byte order mark', async () => {
  const { statements, errors } = await parseSql('\ufeffselect 1', 'x.sql')

  assert.equal(errors.length, 0)
  assert.equal(statements[0]?.text, 'select 1')
})

test('parseSql: an empty file has no statements', async () => {
  const { statements, errors } = await parseSql('-- nothing\n;;\n', 'x.sql')

  assert.deepEqual([statements.length, errors.length], [0, 0])
})

const migration = new URL('../../../../db/migration/V001__complete_hims_schema.sql', import.meta.url)

test('parseSql: a long text, parsed in parts, gives the trees and places that the grammar gives for the whole', async () => {
  const long = await readFile(migration, 'utf8')
  const text = long.slice(0, long.indexOf(';\n\n', 200_000) + 1)
  await loadParser()
  const whole = parseRaw(text)

  const { statements, errors } = await parseSql(text, 'x.sql')

  assert.deepEqual(errors, [])
  assert.ok(Array.isArray(whole) && whole.length > 100)
  assert.deepEqual(
    statements.map(({ node }) => node),
    whole.map(({ node }) => node),
  )
})

test('parseSql: a long text is not cut inside of a body, a string or a comment', async () => {
  const filling = 'select 1;\n'.repeat(4_000)
  const bodies = [
    `create function f() returns void language plpgsql as $$\nbegin\n${filling}end $$;`,
    `create function f() returns void begin atomic\n${filling}end;`,
    `select '${filling}' as text;`,
    `/* ${filling} */ select 2;`,
  ]
  for (const body of bodies) {
    const { statements, errors } = await parseSql(`select 0;\n${body}\nselect 'é', last.one;`, 'x.sql')

    assert.deepEqual(errors, [])
    assert.equal(statements.length, 3, body.slice(0, 40))
    assert.equal(statements[2]?.text, "select 'é', last.one")
  }
})

test('parseSql: tells the place of a mistake far down in a long text', async () => {
  const text = `${'select 1;\n'.repeat(10_000)}selct 2;\nselect 3;`

  const { statements, errors } = await parseSql(text, 'x.sql')

  assert.equal(statements.length, 10_001)
  assert.deepEqual(
    errors.map(({ line, column }) => [line, column]),
    [[10_001, 1]],
  )
})
