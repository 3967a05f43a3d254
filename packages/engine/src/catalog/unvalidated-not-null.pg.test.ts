import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { proveDiff } from '../diff/diff-proof.fixture.ts'
import { printCatalog, printedScript } from '../print/print-catalog.ts'
import { bothCatalogs } from './both-catalogs.fixture.ts'
import { compareCatalogs } from './compare.ts'

/** NOT NULL that holds for new rows alone came with PostgreSQL 18. */
async function withServer18(t: TestContext, work: () => Promise<void>): Promise<void> {
  await using database = await emptyDatabase()
  if (database.serverVersion < 18) return t.skip('needs PostgreSQL 18')
  await work()
}

const START = 'create table public.t (x int, y int);'
const ADDED = `${START} alter table public.t add constraint there not null x not valid;`

/** A history, and by which constraint column x of table t is not null without a look at old rows. */
const HISTORIES: Record<string, [sql: string, constraint: string | null]> = {
  'that is added': [ADDED, 'there'],
  'without a name': [`${START} alter table public.t add not null x not valid`, 't_x_not_null'],
  'that is validated': [`${ADDED} alter table public.t validate constraint there`, null],
  'that is dropped': [`${ADDED} alter table public.t drop constraint there`, null],
  'that is renamed': [`${ADDED} alter table public.t rename constraint there to here`, 'here'],
  'behind SET NOT NULL': [`${ADDED} alter table public.t alter x set not null`, null],
  'behind DROP NOT NULL': [`${ADDED} alter table public.t alter x drop not null`, null],
  'of a renamed table': [`${ADDED} alter table public.t rename to u; alter table public.u rename to t`, 'there'],
  'of a renamed column': [`${ADDED} alter table public.t rename x to z; alter table public.t rename z to x`, 'there'],
  'on what is not null already': [
    `create table public.t (x int constraint there not null); alter table public.t add constraint there not null x not valid`,
    null,
  ],
  'that LIKE copies': [`${ADDED} create table public.copy (like public.t)`, 'there'],
  'of a partitioned table, with a partition that is there and one that comes': [
    `create table public.t (x int, y int) partition by list (y); create table public.t1 partition of public.t for values in (1);
     alter table public.t add constraint there not null x not valid; create table public.t2 partition of public.t for values in (2)`,
    'there',
  ],
  'of a parent, with a child that is there and one that comes': [
    `${START} create table public.c1 () inherits (public.t); alter table public.t add constraint there not null x not valid;
     create table public.c2 () inherits (public.t)`,
    'there',
  ],
}

for (const [title, [sql, constraint]] of Object.entries(HISTORIES)) {
  test(`readCatalog and foldFiles: a not null constraint that is not valid ${title}`, (t) =>
    withServer18(t, async () => {
      const { live, folded, differences } = await bothCatalogs(sql)

      assert.equal(live.tables.get('public.t')?.columns.get('x')?.unvalidatedNotNull, constraint)
      assert.deepEqual(differences, [])
      assert.deepEqual(
        compareCatalogs(structuredClone(folded), live, { ignore: ({ object }) => object.startsWith('role ') }),
        [],
      )
    }))
}

const VALID = `${START} alter table public.t add constraint there not null x;`
const CHANGES: Record<string, [left: string, right: string, expected: string[]]> = {
  'is validated': [ADDED, VALID, ['alter table public.t validate constraint there']],
  'is added': [START, ADDED, ['alter table public.t add constraint there not null x not valid']],
  'is dropped': [ADDED, START, ['alter table public.t alter column x drop not null']],
  'gets another name': [
    ADDED,
    ADDED.replace('there', 'here'),
    ['alter table public.t rename constraint there to here'],
  ],
  'takes the place of one that holds for all rows': [
    VALID,
    ADDED,
    [
      'alter table public.t alter column x drop not null',
      'alter table public.t add constraint there not null x not valid',
    ],
  ],
  'comes with its column': [
    'create table public.t (y int)',
    'create table public.t (y int, x int); alter table public.t add constraint there not null x not valid',
    ['alter table public.t add column x integer', 'alter table public.t add constraint there not null x not valid'],
  ],
  'comes with its table': [
    'select',
    ADDED,
    [
      'create table public.t (\n  x integer,\n  y integer\n)',
      'alter table public.t add constraint there not null x not valid',
    ],
  ],
  'reaches partitions': [
    'create table public.t (x int, y int) partition by list (y); create table public.t1 partition of public.t for values in (1)',
    `create table public.t (x int, y int) partition by list (y); create table public.t1 partition of public.t for values in (1);
     alter table public.t add constraint there not null x not valid`,
    ['alter table public.t add constraint there not null x not valid'],
  ],
}

for (const [title, [left, right, expected]] of Object.entries(CHANGES)) {
  test(`diffCatalogs: a not null constraint that is not valid ${title}`, (t) =>
    withServer18(t, async () => {
      for (const concurrently of [true, false]) {
        const { statements, differences } = await proveDiff(left, right, { concurrently })

        assert.deepEqual(
          statements.map(({ sql }) => sql),
          expected,
        )
        assert.deepEqual(differences, [])
      }
    }))
}

test('printCatalog: a not null constraint that is not valid is printed, and can be run twice', (t) =>
  withServer18(t, async () => {
    const { live } = await bothCatalogs(
      HISTORIES['of a partitioned table, with a partition that is there and one that comes']?.[0] ?? '',
    )

    const script = printedScript(await printCatalog(live, { repeatable: true }))

    const again = await bothCatalogs(`${script}\n${script}`)
    assert.deepEqual(compareCatalogs(live, again.live), [])
  }))
