import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { scanTables } from './scan-tables.ts'
import type { Dialect } from './tokens.ts'

/** Tables in order; written ones with `!`. */
function found(sql: string, dialect: Dialect = 'mariadb'): string {
  return scanTables(sql, dialect)
    .tables.map(({ schema, name, writes }) => `${schema === null ? '' : `${schema}.`}${name}${writes ? '!' : ''}`)
    .join(' ')
}

const cases: readonly (readonly [string, string])[] = [
  ['select 1', ''],
  ['select * from a', 'a'],
  ['select * from a, b x, (select * from c) y, d where a.id = b.id, e.f', 'a b c d'],
  [
    'select a.x, (select max(y) from b), from_unixtime(z) from a left join c on c.x in (1, 2) and a.y = 3, d',
    'b a c d',
  ],
  ["select extract(year from born), trim(both 'x' from name), substring(a from 2) from p", 'p'],
  ['select * from ((`s`.`a` `x` join `s`.`b` on(`x`.`i` = `b`.`i`)) left join `c` on(1))', 's.a s.b c'],
  ['SELECT `p` . `id` FROM `patients` `p` WHERE `p` . `id` IN (...) LIMIT ?', 'patients'],
  ['with t as (select * from a) select * from t join b', 'a b'],
  ['with users as (select * from users) select * from users', 'users'],
  [
    'with recursive t (n) as (select 1 from a union all select n + 1 from t) select * from t, (with u as (select 1) select * from u) v, u',
    'a u',
  ],
  ['insert into a (x, y) values (1, 2) on duplicate key update x = values(x)', 'a!'],
  ['insert ignore a select * from b join c using (id)', 'a! b c'],
  ['insert into a set x = 1', 'a!'],
  ["replace into a select replace(x, 'from q', '') from b", 'a! b'],
  ['update a set x = (select y from b) where id in (select id from c)', 'a! b c'],
  ['update a x join b y on x.i = y.i set y.v = 1, y.w = x.w where x.z = 1', 'a b!'],
  ['update a, b set a.v = 1, b.v = 2', 'a! b!'],
  ['delete from a where id = 1', 'a!'],
  ['delete x, z from a x join b y on x.i = y.i left join c as z on 1', 'a! b c!'],
  ['delete from a using a join b on a.i = b.i', 'a! a! b'],
  ['delete from a, b using a join b join c', 'a! b! a! b! c'],
  ['select * from a for update', 'a'],
  ['truncate table a', 'a!'],
  ["load data infile 'x' into table a (b, c)", 'a!'],
  ['lock tables a read, b write', 'a b'],
  ['create table a like b', 'a! b'],
  ['select * from a force index (i, j), b', 'a b'],
  ['select `from`, "from x", \'join y\' from a -- join b\n# join c\n/* join d */ where 1', 'a'],
  ['select /*!40001 SQL_NO_CACHE */ * from a /*! join b */', 'a b'],
  [
    'begin declare c cursor for select x from a; open c; fetch c into v; if v then update b set x = 1; else delete from d; end if; end',
    'a b! d!',
  ],
  ["execute immediate 'select * from a join b'", 'a b'],
  ['show tables from a', ''],
  ['grant select, insert, update on a to b', ''],
]

for (const [sql, tables] of cases) {
  test(`scanTables: ${sql}`, () => {
    assert.equal(found(sql), tables)
  })
}

test('scanTables: reads PostgreSQL as well', () => {
  assert.equal(
    found(
      'insert into s."A" as x (b) select $1 from only b on conflict (i) do update set b = excluded.b returning *',
      'postgres',
    ),
    's.A! b',
  )
  assert.equal(found('update a set x = b.x from b, c where a.i = b.i', 'postgres'), 'a! b c')
  assert.equal(found('delete from a using b, c where true', 'postgres'), 'a! b c')
  assert.equal(
    found(
      'merge into a using b on a.i = b.i when matched then update set x = 1 when not matched then insert values (1)',
      'postgres',
    ),
    'a! b',
  )
  assert.equal(
    found(
      "select x is distinct from y, $$ from q $$, 'a'::text from a, lateral (select 1 from b) l, generate_series(1, 2)",
      'postgres',
    ),
    'a b',
  )
  assert.equal(found('select * from a tablesample system (1) join b on true', 'postgres'), 'a b')
})

test('scanTables: is in doubt when the text is cut or a name is computed', () => {
  const doubts = (sql: string, dialect: Dialect = 'mariadb') => scanTables(sql, dialect).doubts

  assert.deepEqual(doubts('select * from a where x = (1'), ['the text is cut'])
  assert.deepEqual(doubts("select * from a where x = 'b"), ['the text is cut'])
  assert.deepEqual(doubts('select * from'), ['the text is cut'])
  assert.deepEqual(doubts('select * from ?'), ['the name of a table is computed'])
  assert.deepEqual(doubts('prepare s from @q'), ['it runs SQL that is computed'])
  assert.deepEqual(doubts('begin execute format($$x$$); end', 'postgres'), ['it runs SQL that is computed'])
  assert.deepEqual(doubts('create trigger t before update on a for each row execute function f()', 'postgres'), [])
  assert.deepEqual(doubts('select * from a where x = 1'), [])
})

test('scanTables: comes to an end with any text, and never reports a name that is not in it', () => {
  const words =
    'select from join update delete insert into with recursive as on set using where ( ) , ; . a b `c` \'d\' "e" ? -- /* */ table truncate call execute immediate merge replace key for lock like $1 := case end'
  const text = fc
    .array(fc.oneof(fc.constantFrom(...words.split(' ')), fc.string({ maxLength: 3 })))
    .map((parts) => parts.join(' '))
  fc.assert(
    fc.property(text, fc.constantFrom<Dialect>('mariadb', 'postgres'), (text, dialect) => {
      for (const { name } of scanTables(text, dialect).tables)
        assert.ok(text.toLowerCase().includes(name.toLowerCase()))
    }),
    { numRuns: 3_000 },
  )
})
