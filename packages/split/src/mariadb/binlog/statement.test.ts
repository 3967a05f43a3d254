import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sqlModes } from './plain-sql.ts'
import { readStatement } from './statement.ts'

const read = (sql: string, sqlMode = 0) => readStatement({ sql, database: 'lab', sqlMode })
const kindOf = (sql: string) => read(sql).kind

test('readStatement: an unknown statement is told with every table that it may name', () => {
  assert.deepEqual(read('reorganize `we``ird`, other."b" -- a\n /* c */'), {
    kind: 'unknown',
    verb: 'reorganize',
    tables: [
      { schema: 'lab', name: 'reorganize' },
      { schema: 'lab', name: 'we`ird' },
      { schema: 'other', name: 'b' },
    ],
  })
  assert.equal(kindOf('create unheard of a'), 'unknown')
})

test('readStatement: what stands in texts and comments is not read', () => {
  const rows = (sql: string) => {
    const statement = read(sql)
    return statement.kind === 'rows' ? statement.databases : statement.kind
  }

  assert.deepEqual(rows(`insert into x.o values ('it''s a.b', "\\" c.d", N'\\' e.f'), (1.5) # g.h`), ['lab', 'x', '1'])
  assert.deepEqual(rows('(select `p`.`f`(1, -- q.r\n 2) /* s.t */)'), ['lab', 'p'])
  assert.equal(rows('# Dummy event replacing event type 160'), 'harmless')
  assert.deepEqual(rows(`set statement sql_mode = 'for truncate a' for delete from "y" . o`), ['lab', 'y'])
})

test('readStatement: takes its time with the length of a statement, not with its square', () => {
  const many = 4_000_000
  const from = performance.now()

  for (const value of [`0x${'ab'.repeat(many)}`, `'${`it\\'s ''`.repeat(many / 4)}'`, `"${'x'.repeat(many)}"`]) {
    assert.equal(kindOf(`insert into x.o values (${value}, 1)`), 'rows')
  }

  assert.ok(performance.now() - from < 10_000)
})

test('readStatement: a part that is rolled back is told from the whole', () => {
  const statements = ['BEGIN', 'ROLLBACK TO `a`', 'rollback work to savepoint a', 'rollback', 'COMMIT', 'SAVEPOINT `a`']

  assert.deepEqual(statements.map(kindOf), ['begin', 'rollback to', 'rollback to', 'rollback', 'commit', 'harmless'])
})

test('readStatement: settings of one statement hide none, however they end', () => {
  const truncate = { kind: 'truncate', tables: [{ schema: 'lab', name: 'a' }] }
  for (const sql of [
    `set statement sql_mode=''for truncate a`,
    `set statement sql_mode="ansi"for truncate a`,
    'set statement max_statement_time=(5)for\ntruncate a',
    'set statement max_statement_time=1.5for truncate a',
    'set statement lock_wait_timeout = 5 for/**/truncate a',
    'SET STATEMENT max_statement_time = if(left("for", (1)) = @for, 1, 2) FOR truncate`a`',
    'set statement lock_wait_timeout=1 for set statement max_statement_time=1 for truncate a',
  ]) {
    assert.deepEqual(read(sql), truncate, sql)
  }
  assert.equal(kindOf('set statement a = 1 and so on'), 'unknown')
  assert.equal(kindOf('set statements = 1'), 'harmless')
  assert.equal(kindOf(`set statement lock_wait_timeout=1 for set password = ''`), 'harmless')
})

test('readStatement: where a text ends is told by the sql_mode', () => {
  const { ansiQuotes, noBackslashEscapes } = sqlModes
  const databases = (sql: string, sqlMode: number) => {
    const statement = read(sql, sqlMode)
    return statement.kind === 'rows' ? statement.databases : statement.kind
  }
  const single = String.raw`insert into o select '\' from x.a where '' = ' y.a \''`
  const double = String.raw`insert into o select "\" from x.a where "" = " y.a \""`

  assert.deepEqual(databases(single, 0), ['lab', 'y'])
  assert.deepEqual(databases(single, ansiQuotes), ['lab', 'y'])
  assert.deepEqual(databases(single, noBackslashEscapes), ['lab', 'x'])
  assert.deepEqual(databases(double, 0), ['lab', 'y'])
  for (const mode of [ansiQuotes, noBackslashEscapes, ansiQuotes | noBackslashEscapes]) {
    // what stands in double quotes is never left out, as it may be names
    assert.deepEqual(databases(double, mode), ['lab', 'x', 'y'], String(mode))
  }
  assert.deepEqual(read(String.raw`truncate "a\b"`, ansiQuotes), {
    kind: 'truncate',
    tables: [{ schema: 'lab', name: String.raw`a\b` }],
  })
})

test('readStatement: a statement that sets its own sql_mode was read under another, which may not be known', () => {
  const insert = (text: string) => `set statement sql_mode = '' for insert into o values ('${text}')`

  assert.equal(kindOf(insert(String.raw`a\\b`)), 'rows')
  assert.throws(() => kindOf(insert(String.raw`it\'s`)), RangeError)
  assert.equal(kindOf(String.raw`set statement lock_wait_timeout = 1 for insert into o values ('it\'s')`), 'rows')
})
