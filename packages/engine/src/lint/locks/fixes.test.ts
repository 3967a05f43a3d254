import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lintFiles } from '../lint-files.ts'
import { lintRules } from '../rules/index.ts'

const BASE = `
  create table orders (id bigint not null, code text, note text, "Ref No" text, at int4range);
  create table "Old Orders" (id bigint, "Total" numeric);
  create index "Old Orders by Total" on "Old Orders" ("Total");
  create materialized view by_code as select code, note from orders;
  create unique index by_code_lower on by_code (lower(code));
  create unique index by_code_there on by_code (code) where code is not null;
  create materialized view by_note as select note from orders;
  create unique index by_note_note on by_note (note);`

async function found(rule: string, text: string, serverVersion = 18) {
  const sources = [
    { path: 'V001__base.sql', text: BASE },
    { path: 'V002__change.sql', text },
  ]
  const { findings, edits } = await lintFiles(sources, { rules: lintRules, since: '1', serverVersion, complete: false })
  const own = findings.filter((finding) => finding.rule === rule)
  assert.equal(own.length, 1)
  return { fix: own[0]?.fix ?? null, edits: [...edits.values()].flat() }
}

test('not-null-scans: before PostgreSQL 18 the check goes in a statement of its own, where it still proves', async () => {
  const { fix } = await found('not-null-scans', 'alter table orders alter column note set not null', 17)

  assert.match(
    fix ?? '',
    /\nalter table public\.orders alter column note set not null;\nalter table public\.orders drop/,
  )
})

test('not-null-scans: validates the not null constraint that is there already', async () => {
  const text = `alter table orders add constraint note_there not null note not valid;
    alter table orders alter column note set not null;`

  const { fix } = await found('not-null-scans', text)

  assert.equal(fix, 'alter table public.orders validate constraint note_there;')
})

test('not-null-scans: quotes names that need it', async () => {
  const { fix } = await found('not-null-scans', 'alter table "Old Orders" alter column "Total" set not null')

  assert.match(
    fix ?? '',
    /^alter table public\."Old Orders" add constraint "Total_not_null" not null "Total" not valid;/,
  )
})

test('unique-without-index: quotes names that need it', async () => {
  const { fix } = await found('unique-without-index', 'alter table "Old Orders" add unique ("Total")')

  assert.equal(
    fix,
    `create unique index concurrently "Old Orders_Total_key" on public."Old Orders" ("Total");
-- next file
alter table public."Old Orders" add constraint "Old Orders_Total_key" unique using index "Old Orders_Total_key";`,
  )
})

test('unique-without-index: the index and the constraint keep all that was asked for', async () => {
  const { fix } = await found(
    'unique-without-index',
    'alter table orders add constraint k unique nulls not distinct (code) include (note) with (fillfactor = 70) deferrable initially deferred',
  )

  assert.equal(
    fix,
    `create unique index concurrently k on public.orders (code) include (note) nulls not distinct with (fillfactor=70);
-- next file
alter table public.orders add constraint k unique using index k deferrable initially deferred;`,
  )
})

test('unique-without-index: has no way for WITHOUT OVERLAPS, which no unique index can do', async () => {
  const { fix } = await found('unique-without-index', 'alter table orders add unique (id, at without overlaps)')

  assert.equal(fix, null)
})

test('drop-index-not-concurrent: quotes names that need it', async () => {
  const { fix } = await found('drop-index-not-concurrent', 'drop index "Old Orders by Total"; select 1')

  assert.equal(fix, 'drop index concurrently public."Old Orders by Total"')
})

test('grant-missing: quotes names that need it', async () => {
  const { fix } = await found(
    'grant-missing',
    'grant select on all tables in schema public to "App User";\ncreate table "New Orders" (id bigint)',
  )

  assert.equal(fix, 'grant select on public."New Orders" to "App User";')
})

for (const view of ['by_code', 'never_seen']) {
  test(`refresh-not-concurrent: leaves '${view}' as it is, without a unique index that CONCURRENTLY can use`, async () => {
    const { edits } = await found('refresh-not-concurrent', `refresh materialized view ${view}`)

    assert.deepEqual(edits, [])
  })
}

test('refresh-not-concurrent: changes a view with a unique index over a column', async () => {
  const { edits } = await found('refresh-not-concurrent', 'refresh materialized view by_note')

  assert.equal(edits.length, 1)
})
