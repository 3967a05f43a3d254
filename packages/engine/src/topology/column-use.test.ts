import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSql } from '../parse/parse-sql.ts'
import { tableUse } from './column-use.ts'

const columns = new Set(['id', 'name', 'colour', 'secret'])

async function useOf(sql: string) {
  const { statements, errors } = await parseSql(sql, 'x.sql')
  assert.deepEqual(errors, [])
  const [statement] = statements
  assert.ok(statement)
  const { writes, wholeRows, columns: used } = tableUse(statement, 'a.things', columns)
  return { writes, wholeRows, columns: [...used].toSorted() }
}

const body = (sql: string) => `create function b.f() returns int language plpgsql as $$ begin ${sql} return 1; end $$`

const READS: [title: string, sql: string, columns: string[]][] = [
  ['under an alias', body('perform t.name from a.things t where t.id = v_id;'), ['id', 'name']],
  ['under the name of the table', body('perform from a.things where things.colour = 1;'), ['colour']],
  ['without a table in front', body('perform from a.things where name = v_name;'), ['name']],
  ['in a query inside a query', body('perform (select t.secret from a.things t) from b.x x;'), ['secret']],
  ['in an expression', body('if exists (select from a.things t where t.id = v_id) then return 2; end if;'), ['id']],
  ['in a view', 'create view b.v as select t.name from a.things t', ['name']],
  ['not those of another table', body('perform x.name, v.secret from b.x x; perform from a.things t;'), []],
]

for (const [title, sql, expected] of READS) {
  test(`tableUse: finds a column ${title}`, async () => {
    assert.deepEqual(await useOf(sql), { writes: false, wholeRows: false, columns: expected })
  })
}

for (const sql of [
  'perform t.* from a.things t;',
  'perform * from a.things;',
  'perform to_jsonb(t) from a.things t;',
  'perform coalesce(t, null) from a.things t;',
]) {
  test(`tableUse: takes whole rows: ${sql}`, async () => {
    assert.equal((await useOf(body(sql))).wholeRows, true)
  })
}

test('tableUse: a variable of the type of a row is a whole row', async () => {
  const sql =
    'create function b.f() returns int language plpgsql as $$ declare v a.things%rowtype; begin return 1; end $$'

  assert.equal((await useOf(sql)).wholeRows, true)
})

for (const sql of [
  `insert into a.things (id) values (1);`,
  `update a.things set name = 'x';`,
  `delete from a.things where id = 1;`,
  `perform t.id from a.things t for update;`,
  `perform t.id from a.things t join b.x x on x.id = t.id for share of t;`,
]) {
  test(`tableUse: writes: ${sql}`, async () => {
    assert.equal((await useOf(body(sql))).writes, true)
  })
}

test('tableUse: a lock on another table of the query is none on this', async () => {
  const use = await useOf(body('perform t.id from a.things t join b.x x on x.id = t.id for share of x;'))

  assert.equal(use.writes, false)
})
