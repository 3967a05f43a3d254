import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../../tests/support/database.ts'
import { foldFiles } from '../../catalog/files.ts'
import { rebuildsIndexes, typeChange } from './type-change.ts'
import { volatileBuiltIns } from './volatile-call.ts'

const DEFINITIONS = `
  create domain plain as text;
  create domain checked as text check (value <> '');
  create domain strict as text not null;
  create domain code as varchar(10);
  create type state as enum ('open', 'closed');`

/** Changes of a column's type, as format_type prints the types. */
const pairs: [string, string][] = [
  ['character varying(10)', 'character varying(20)'],
  ['character varying(20)', 'character varying(10)'],
  ['character varying(10)', 'character varying'],
  ['character varying', 'character varying(10)'],
  ['character varying(10)', 'text'],
  ['character varying', 'text'],
  ['text', 'character varying'],
  ['text', 'character varying(10)'],
  ['character(5)', 'character(10)'],
  ['character(10)', 'character(5)'],
  ['character(5)', 'text'],
  ['character(5)', 'character varying(5)'],
  ['text', 'character(5)'],
  ['character varying(5)', 'character(5)'],
  ['numeric(10,2)', 'numeric(12,2)'],
  ['numeric(12,2)', 'numeric(10,2)'],
  ['numeric(10,2)', 'numeric(12,4)'],
  ['numeric(10,2)', 'numeric(10,1)'],
  ['numeric(10,2)', 'numeric'],
  ['numeric', 'numeric(10,2)'],
  ['numeric(10,0)', 'numeric(12,0)'],
  ['integer', 'bigint'],
  ['bigint', 'integer'],
  ['smallint', 'integer'],
  ['integer', 'numeric'],
  ['numeric', 'integer'],
  ['integer', 'oid'],
  ['oid', 'integer'],
  ['oid', 'regclass'],
  ['regclass', 'oid'],
  ['integer', 'regclass'],
  ['real', 'double precision'],
  ['double precision', 'numeric'],
  ['integer', 'text'],
  ['boolean', 'text'],
  ['timestamp(3) without time zone', 'timestamp(6) without time zone'],
  ['timestamp(3) without time zone', 'timestamp without time zone'],
  ['timestamp(6) without time zone', 'timestamp without time zone'],
  ['timestamp without time zone', 'timestamp(6) without time zone'],
  ['timestamp without time zone', 'timestamp(3) without time zone'],
  ['timestamp(3) with time zone', 'timestamp with time zone'],
  ['timestamp with time zone', 'timestamp(0) with time zone'],
  ['timestamp without time zone', 'timestamp with time zone'],
  ['timestamp with time zone', 'timestamp without time zone'],
  ['timestamp with time zone', 'timestamp(3) without time zone'],
  ['timestamp(3) with time zone', 'timestamp without time zone'],
  ['date', 'timestamp without time zone'],
  ['timestamp without time zone', 'date'],
  ['time(3) without time zone', 'time without time zone'],
  ['time without time zone', 'time(3) without time zone'],
  ['time(0) with time zone', 'time(3) with time zone'],
  ['interval(3)', 'interval'],
  ['interval(3)', 'interval(6)'],
  ['interval', 'interval(3)'],
  ['bit varying(5)', 'bit varying(10)'],
  ['bit varying(5)', 'bit varying'],
  ['bit varying(10)', 'bit varying(5)'],
  ['bit(5)', 'bit varying'],
  ['bit(5)', 'bit varying(5)'],
  ['bit varying(5)', 'bit(5)'],
  ['inet', 'cidr'],
  ['cidr', 'inet'],
  ['inet', 'text'],
  ['xml', 'text'],
  ['xml', 'character varying'],
  ['json', 'jsonb'],
  ['jsonb', 'json'],
  ['json', 'text'],
  ['name', 'text'],
  ['text', 'name'],
  ['money', 'numeric'],
  ['text[]', 'character varying[]'],
  ['character varying[]', 'text[]'],
  ['character varying(10)[]', 'character varying(20)[]'],
  ['integer[]', 'bigint[]'],
  ['text', 'public.plain'],
  ['public.plain', 'text'],
  ['text', 'public.checked'],
  ['public.checked', 'text'],
  ['text', 'public.strict'],
  ['public.plain', 'character varying'],
  ['character varying(5)', 'public.code'],
  ['character varying(20)', 'public.code'],
  ['public.code', 'text'],
  ['public.state', 'text'],
  ['bytea', 'text'],
]

for (const zone of ['UTC', 'Asia/Kolkata']) {
  test(`typeChange: says what PostgreSQL does to the rows of ${pairs.length} changes of a type, with time zone ${zone}`, async () => {
    const { catalog, actual } = await changeTypes(zone)

    const expected = pairs.map(([before, after]) => {
      const change = typeChange(before, after, catalog)
      return [before, after, change === 'zone' ? (zone === 'UTC' ? 'none' : 'rewrite') : change]
    })
    assert.deepEqual(
      expected,
      actual.map(({ before, after, change }) => [before, after, change]),
    )
  })
}

test('rebuildsIndexes: says which indexes PostgreSQL builds anew although the rows stay', async () => {
  const { catalog, actual } = await changeTypes('UTC')
  const kept = actual.filter(({ change, index }) => change === 'none' && index !== null)

  const expected = kept.map(({ before, after }) => [before, after, rebuildsIndexes(before, after, catalog)])

  assert.ok(kept.length > 20)
  assert.deepEqual(
    expected,
    kept.map(({ before, after, index }) => [before, after, index]),
  )
})

test('volatileCall: PostgreSQL calls each function of the list volatile', async () => {
  await using empty = await emptyDatabase()
  const database = connect(empty.url)

  const others = await database
    .query<{ name: string }>(
      `select distinct proname as name from pg_proc
       where pronamespace = 'pg_catalog'::regnamespace and proname = any ($1) and provolatile <> 'v'`,
      [volatileBuiltIns],
    )
    .finally(() => database.close())

  assert.deepEqual(others, [])
})

/** Makes each change on a table with a row and an index, and looks which files of the server stayed. */
async function changeTypes(zone: string) {
  await using empty = await emptyDatabase()
  const database = connect(empty.url, { max: 1 })
  const catalog = await foldFiles([{ path: 'types.sql', text: DEFINITIONS }])
  const actual: { before: string; after: string; change: string; index: boolean | null }[] = []
  try {
    await database.transaction(async (tx) => {
      for (const statement of DEFINITIONS.trim().split(';').filter(Boolean)) await tx.query(statement)
      await tx.query(`set local timezone to '${zone}'`)
      for (const [before, after] of pairs) {
        await tx.query('drop table if exists t')
        await tx.query(`create table t (c ${before})`)
        const isIndexed = !/^(xml|json)$/.test(before) && !/^(xml|json)$/.test(after)
        if (isIndexed) await tx.query('create index t_c on t (c)')
        const first = await tx.query<Files>(FILES)
        await tx.query(`alter table t alter column c type ${after} using c::${after}`)
        const then = await tx.query<Files>(FILES)
        const [was, is] = [first[0], then[0]]
        const change = was?.rows === is?.rows ? 'none' : 'rewrite'
        actual.push({ before, after, change, index: isIndexed ? was?.keys !== is?.keys : null })
      }
    })
  } finally {
    await database.close()
  }
  return { catalog, actual }
}

interface Files {
  readonly rows: number
  readonly keys: number | null
}
const FILES = `select pg_relation_filenode('t') as rows, pg_relation_filenode(to_regclass('t_c')) as keys`
