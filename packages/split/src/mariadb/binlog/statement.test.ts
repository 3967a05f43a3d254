import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readStatement } from './statement.ts'

const kindOf = (sql: string) => readStatement({ sql, database: 'lab' }).kind

test('readStatement: an unknown statement is told with every table that it may name', () => {
  assert.deepEqual(readStatement({ sql: 'reorganize `we``ird`, other."b" -- a\n /* c */', database: 'lab' }), {
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
    const statement = readStatement({ sql, database: 'lab' })
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
