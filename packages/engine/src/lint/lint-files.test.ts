import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyEdits } from './apply-edits.ts'
import { readExample } from './example.ts'
import { lintFiles, type LintOptions } from './lint-files.ts'
import { lintRules } from './rules/index.ts'

/** `rule file:line <- file:line ...` of every finding of the family. */
async function findingsOf(text: string, options: Partial<LintOptions> = {}, family = 'history'): Promise<string[]> {
  const { sources } = readExample(text)
  const { findings } = await lintFiles(sources, { rules: lintRules, ...options })
  return findings
    .filter((finding) => finding.family === family || finding.rule.includes('ignore'))
    .map(({ rule, file, line, related }) =>
      [`${rule} ${file}:${line}`, ...related.map((end) => `${end.file}:${end.line}`)].join(' <- '),
    )
}

const wardHistory = `
-- file: 001_users.sql
create table users (id uuid primary key, name text not null);
create table audit_logs (id bigint primary key, actor uuid not null references users (id), at timestamptz not null);
-- file: 002_tasks.sql
create table tasks (id uuid primary key, patient_id uuid not null references patients (id), title text not null);
create table task_verifications (id uuid primary key, task_id uuid not null references tasks (id));
-- file: 003_handovers.sql
alter table handovers add column accepted_at timestamptz;
alter table task_verifications rename to emr_verifications;
-- file: 004_handovers.sql
create table handovers (id uuid primary key, given_by uuid not null references users (id));
create table audit_logs (id bigint primary key, actor uuid not null, at timestamptz not null, reason text);
-- file: 005_indexes.sql
create index task_verifications_task_id on task_verifications (task_id);
-- file: 005_more.sql
create index tasks_title on tasks (title);
`

test('lintFiles: tells all defects of a history in one run, each with both ends', async () => {
  const found = await findingsOf(wardHistory)

  assert.deepEqual(found, [
    'missing-object 002_tasks.sql:1',
    'used-before-created 003_handovers.sql:1 <- 004_handovers.sql:1',
    'created-twice 004_handovers.sql:2 <- 001_users.sql:2',
    'used-after-rename 005_indexes.sql:1 <- 003_handovers.sql:2',
    'version-collision 005_more.sql:1 <- 005_indexes.sql:1',
  ])
})

test('lintFiles: a table may point to itself, but not be made like itself', async () => {
  const found = await findingsOf(`
-- file: 001_staff.sql
create table staff (id bigint primary key, head bigint references staff (id), deputy bigint,
  constraint staff_deputy_fkey foreign key (deputy) references public.staff (id));
create table rooms (like rooms);`)

  assert.deepEqual(found, ['used-before-created 001_staff.sql:3 <- 001_staff.sql:3'])
})

test('lintFiles: goes on behind a statement that does not parse, and takes its objects for unknown', async () => {
  const found = await findingsOf(`
-- file: 001_a.sql
create table a (id bigint primary key;
create table b (id bigint primary key);
-- file: 002_b.sql
create index a_id on a (id);
alter table c add column x text;`)

  assert.deepEqual(found, ['syntax-error 001_a.sql:1', 'missing-object 002_b.sql:2'])
})

test('lintFiles: names commands of psql in an export of pg_dump, and loses no statement behind them', async () => {
  const text = [
    String.raw`\restrict k3y`,
    'create schema a;',
    'create sequence a.numbers;',
    'alter table a.numbers owner to current_user;',
    String.raw`\unrestrict k3y`,
  ].join('\n')

  const { findings } = await lintFiles([{ path: 'V001__dump.sql', text }], { rules: lintRules })

  assert.deepEqual(
    findings.map(({ rule, line, message }) => [rule, line, message.split(' ')[0]]),
    [
      ['syntax-error', 1, String.raw`\restrict`],
      ['syntax-error', 5, String.raw`\unrestrict`],
    ],
  )
})

test('lintFiles: judges only what came after the version that runs in production', async () => {
  const found = await findingsOf(wardHistory, { since: '3' })

  assert.deepEqual(
    found.map((text) => text.split(' ')[0]),
    ['created-twice', 'used-after-rename', 'version-collision'],
  )
})

test('lintFiles: an excerpt may refer to what it does not create', async () => {
  const found = await findingsOf('alter table orders add column note text;', { complete: false })

  assert.deepEqual(found, [])
})

test('lintFiles: what a block makes up at run time is unknown, not missing', async () => {
  const found = await findingsOf(`
-- file: 001_a.sql
do $$ declare name text; begin select 'orders_' || now()::date into name; execute 'create table ' || name || ' (id int)'; end $$;
alter table orders_2026 add column note text;`)

  assert.deepEqual(found, [])
})

test('imhotep:ignore: silences its rule in the statement behind it, with a reason', async () => {
  const found = await findingsOf(`
-- file: 001_a.sql
-- imhotep:ignore missing-object the billing service creates it
create table orders (id bigint primary key, invoice_id bigint references invoices (id));
alter table invoices add column note text;`)

  assert.deepEqual(found, ['missing-object 001_a.sql:3'])
})

test('imhotep:ignore: without a reason, or with nothing to silence, it is a finding', async () => {
  const found = await findingsOf(`
-- file: 001_a.sql
-- imhotep:ignore missing-object
alter table invoices add column note text;
-- imhotep:ignore created-twice because
create table orders (id bigint primary key);
-- imhotep:ignore-file no-such-rule because`)

  assert.deepEqual(found, [
    'ignore-without-reason 001_a.sql:1',
    'missing-object 001_a.sql:2',
    'stale-ignore 001_a.sql:3',
    'stale-ignore 001_a.sql:5',
  ])
})

test('imhotep:ignore: a comment behind the statement counts, a file as a whole too', async () => {
  const found = await findingsOf(`
-- file: 001_a.sql
alter table invoices add column note text; -- imhotep:ignore missing-object made by hand
-- file: 002_b.sql
-- imhotep:ignore-file missing-object made by hand
alter table invoices add column a text;
alter table invoices add column b text;`)

  assert.deepEqual(found, [])
})

test('lintFiles: a temporary table is there for who makes it', async () => {
  const found = await findingsOf(`
-- file: 001_a.sql
create table orders (id bigint primary key);
create temp table moved as select id from orders;
insert into moved select id from orders;
create temporary table kept (id bigint);
delete from kept where id = 1;`)

  assert.deepEqual(found, [])
})

test('lintFiles: what a schema is made with is there behind it, new in its file', async () => {
  const history = `
-- file: 001_a.sql
create schema sales
  create table orders (id bigint primary key, note text)
  create view notes as select note from orders
  create index orders_note on orders (note);
create index orders_id_note on sales.orders (id, note);
-- file: 002_b.sql
create table sales.orders (id bigint);
drop view sales.notes;
create schema authorization sales;
-- file: 003_c.sql
create index orders_both on sales.orders (note, id);`

  const found = await findingsOf(history)
  const locks = await findingsOf(history, {}, 'locks')

  assert.deepEqual(found, ['created-twice 002_b.sql:1 <- 001_a.sql:2', 'created-twice 002_b.sql:3 <- 001_a.sql:1'])
  assert.deepEqual(
    locks.filter((text) => text.startsWith('index-')),
    ['index-not-concurrent 003_c.sql:1'],
  )
})

test('lintFiles: finds unqualified names in the one schema that the files use and never create', async () => {
  const found = await findingsOf(`
-- file: 001_a.sql
create table orders (id bigint primary key, note text);
alter table sales.orders add column total numeric(14, 2);
-- file: 002_b.sql
alter table orders rename column total to amount;
with late as (select id from orders) insert into orders (id) select id from late;
alter table sales.orders drop column missing;`)

  assert.deepEqual(found, ['missing-column 002_b.sql:3 <- 001_a.sql:1'])
})

test('lintFiles: a foreign table is there behind the statement that creates it', async () => {
  const found = await findingsOf(`
-- file: 001_a.sql
create extension postgres_fdw;
create server other foreign data wrapper postgres_fdw;
create foreign table sales (id bigint) server other;
create view all_sales as select id from sales;`)

  assert.deepEqual(found, [])
})

test('lintFiles: a file that says both ways is judged as its way up, and its way down must reverse it', async () => {
  const goose = `
-- file: 001_wards.sql
-- +goose Up
create table wards (id bigint primary key);
-- +goose Down
drop table wards;
-- file: 002_beds.sql
-- +goose Up
create table beds (id bigint primary key, ward bigint references wards (id));
alter table wards add column name text;
-- +goose Down
drop table beds;
-- file: 003_nurses.sql
-- +goose Up
create table nurses (id bigint primary key, ward bigint references wards (id));
-- +goose Down
drop table nurses;
-- file: 003_rooms.sql
-- +goose Up
create table rooms (id bigint primary key);
-- +goose Down
drop table rooms;`

  const found = await findingsOf(goose)

  assert.deepEqual(found, [
    'down-does-not-reverse 002_beds.sql:1 <- 002_beds.sql:1',
    'version-collision 003_rooms.sql:1 <- 003_nurses.sql:1',
  ])
})

test('lintFiles: code frames and fixes are of the file on disk, with both ways', async () => {
  const up = "-- migrate:up\nalter table wards add constraint named check (name <> '')"
  const down = '-- migrate:down\nalter table wards drop constraint named;\n'
  const sources = [
    { path: '001_a.sql', text: 'create table wards (id bigint primary key, name text);' },
    { path: '002_b.sql', text: `${up};\n${down}` },
  ]

  const report = await lintFiles(sources, { rules: lintRules, since: '1' })

  assert.equal(report.files, 2)
  assert.equal(report.texts.get('002_b.sql'), sources[1]?.text)
  const { text } = applyEdits(sources[1]?.text ?? '', report.edits.get('002_b.sql') ?? [])
  assert.equal(text, `${up} not valid;\n${down}`)
})

test('lintFiles: pairs of files and folders of a version are read as one history', async () => {
  const layouts = {
    'golang-migrate, sqlx': ['1_a.up.sql', '1_a.down.sql', '2_b.up.sql', '2_b.down.sql'],
    Hasura: [
      'm/1700000000000_a/up.sql',
      'm/1700000000000_a/down.sql',
      'm/1700000000001_b/up.sql',
      'm/1700000000001_b/down.sql',
    ],
    Diesel: [
      '2026-01-01-000000_a/up.sql',
      '2026-01-01-000000_a/down.sql',
      '2026-01-02-000000_b/up.sql',
      '2026-01-02-000000_b/down.sql',
    ],
  }
  for (const [layout, [up1 = '', down1 = '', up2 = '', down2 = '']] of Object.entries(layouts)) {
    const found = await findingsOf(`
-- file: ${down1}
drop table wards;
-- file: ${up1}
create table wards (id bigint primary key);
-- file: ${down2}
alter table wards drop column beds;
-- file: ${up2}
alter table wards add column rooms int;`)

    assert.deepEqual(found, [`down-does-not-reverse ${down2}:1 <- ${up2}:1`], layout)
  }
  const prisma = `
-- file: 20260101000000_b/migration.sql
alter table wards add column rooms int;
-- file: 20251231000000_a/migration.sql
create table wards (id bigint primary key);
alter table beds add column bed int;`
  assert.deepEqual(await findingsOf(prisma), ['missing-object 20251231000000_a/migration.sql:2'])
})

test('lintFiles: files that name no schema change the tables of the one that a baseline made, three or more of them', async () => {
  const baseline = ['a', 'b', 'c'].map((name) => `create table shop.${name} (id int primary key);`).join('\n')
  const change = (name: string) => `alter table ${name} add column note text;`
  const missing = async (names: string[]) => {
    const changes = names.map(change).join('\n')
    const found = await findingsOf(`
-- file: V1__baseline.sql
create schema shop;
${baseline}
-- file: V2__notes.sql
${changes}`)
    return found.filter((finding) => finding.startsWith('missing-object')).length
  }

  assert.deepEqual([await missing(['a', 'b', 'c']), await missing(['a', 'b'])], [0, 2])
})

test('lintFiles: a search path that a file sets ends with it, also for the first statement of the next', async () => {
  const found = await findingsOf(`
-- file: 001_a.sql
create schema x;
-- file: 002_b.sql
set local search_path = x;
create table orders (id bigint primary key);
-- file: 003_c.sql
create table orders (id bigint primary key);
-- file: 004_d.sql
alter table x.orders add column note text;
alter table public.orders add column note text;`)

  assert.deepEqual(found, [])
})

test('lintFiles: names of types, functions and values are looked up along the search path', async () => {
  const found = await findingsOf(`
-- file: 001_a.sql
create schema x;
create type x.mood as enum ('good');
create type x.pair as (a int, b int);
create function x.area(int) returns int language sql as 'select 1';
create function x.size(int) returns int language sql as 'select 1';
-- file: 002_b.sql
set search_path = x;
alter type mood add value 'bad';
alter type mood add value 'good';
alter type pair rename to couple;
alter function area(int) rename to areas;
drop function size(int);
drop type couple;`)

  assert.deepEqual(found, ['created-twice 002_b.sql:3 <- 001_a.sql:2'])
})
