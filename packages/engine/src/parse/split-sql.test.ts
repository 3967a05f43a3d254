import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseSql } from './parse-sql.ts'
import { splitSql } from './split-sql.ts'

const pieces = (text: string) => splitSql(text).map(({ start, end }) => text.slice(start, end))

test('splitSql: does not end a statement inside strings, names, comments, parentheses or bodies', () => {
  const statements = [
    "select 'a;b''c;'",
    "select e'it\\';s', E'\\\\'",
    'select "a;""b;"',
    'select $$ ; $x$ ; $$, $tag$ $$ ; $tag$',
    'select 1 /* ; /* ; */ ; */ + 2',
    'select 1 -- ;\n + 2',
    'create rule r as on insert to t do also (select 1; select 2)',
    'create function f() returns int begin atomic select case when true then 1 end; select 2; end',
    'select a$b$c',
    'select $1',
  ]

  assert.deepEqual(pieces(statements.join(';\n')), statements)
})

test('splitSql: leaves out empty statements and comments around statements', () => {
  assert.deepEqual(pieces(';; /* a */ select 1 -- b\n;\n-- c;\n;'), ['select 1'])
})

test('splitSql: an unterminated quote swallows the rest', () => {
  assert.deepEqual(pieces("select 1; select 'a; select 2;"), ['select 1', "select 'a; select 2;"])
})

const statement = fc.oneof(
  fc.string({ unit: 'grapheme' }).map((s) => `select '${s.replaceAll('\0', '').replaceAll("'", "''")}'`),
  fc.string().map((s) => `select e'${s.replaceAll('\0', '').replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`),
  fc.string().map((s) => `select 1 as "x${s.replaceAll('\0', '').replaceAll('"', '""')}"`),
  fc.string().map((s) => `do $b$${s.replaceAll('\0', '').replaceAll('$', '')}$b$`),
  fc.string().map((s) => `select /* ${s.replaceAll(/[\0*/]/g, '')} /* ; */ */ 1`),
  fc.constant('create function f() returns int begin atomic select 1; select case when true then 1 end; end'),
)
const separator = fc.constantFrom(';', ';\n', " ; -- it's; a comment\n", ';/* ; */', ';;\r\n')

test('splitSql: splitting joined statements gives them back, and the grammar agrees', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(statement, separator), { maxLength: 8 }), async (parts) => {
      const text = parts.map(([sql, end]) => sql + end).join('')

      const { statements, errors } = await parseSql(text, 'x.sql')

      assert.deepEqual(
        pieces(text),
        parts.map(([sql]) => sql),
      )
      assert.deepEqual(errors, [])
      assert.deepEqual(
        statements.map(({ start, end }) => ({ start, end })),
        splitSql(text),
      )
    }),
    { numRuns: 300 },
  )
})
