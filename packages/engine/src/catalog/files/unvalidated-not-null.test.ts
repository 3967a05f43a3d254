import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foldFiles } from '../files.ts'

const ADDED = 'create table t (x int); alter table t add constraint there not null x not valid;'

async function fold(sql: string) {
  const catalog = await foldFiles([{ path: 'x.sql', text: sql }])
  const column = catalog.tables.get('public.t')?.columns.get('x')
  return { constraint: column?.unvalidatedNotNull, notNull: column?.notNull }
}

const VALID = { constraint: null, notNull: true }
const NONE = { constraint: null, notNull: false }

const CASES: [title: string, sql: string, found: Awaited<ReturnType<typeof fold>>][] = [
  ['is known by its name', '', { constraint: 'there', notNull: true }],
  ['is like any other once it is validated', 'alter table t validate constraint there', VALID],
  ['is like any other behind SET NOT NULL, which looks at the rows', 'alter table t alter x set not null', VALID],
  ['leaves the column when it is dropped', 'alter table t drop constraint there', NONE],
  ['leaves the column with DROP NOT NULL', 'alter table t alter x drop not null', NONE],
  ['is none of a new table of that name', 'drop table t; create table t (x int not null)', VALID],
]

for (const [title, sql, found] of CASES) {
  test(`foldFiles: a not null constraint that is not valid ${title}`, async () => {
    assert.deepEqual(await fold(`${ADDED} ${sql}`), found)
  })
}

test('foldFiles: a not null constraint without a name that is not valid has the one that PostgreSQL gives it', async () => {
  const { constraint } = await fold('create table t (x int); alter table t add not null x not valid')

  assert.equal(constraint, 't_x_not_null')
})
