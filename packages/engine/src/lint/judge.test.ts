import assert from 'node:assert/strict'
import { test } from 'node:test'
import { catalogRules } from '../verify/rules/index.ts'
import { readExample } from './example.ts'
import { lintFiles } from './lint-files.ts'
import { lintRules } from './rules/index.ts'

const patients = `
-- file: V001__patients.sql
create schema core;
create function core.current_tenant_id() returns uuid language sql stable as 'select null::uuid';
create table patients (id bigint primary key, tenant_id uuid not null, mrn text, mrn_norm text);
comment on table patients is 'scope=tenant';
create index patients_tenant on patients (tenant_id);
alter table patients enable row level security, force row level security;
create policy tenant_isolation on patients
  using (tenant_id = (select core.current_tenant_id())) with check (tenant_id = (select core.current_tenant_id()));
create function keep() returns trigger language plpgsql as 'begin return new; end';
create trigger kept before update on patients for each row execute function keep();
create view v with (security_invoker) as select id, tenant_id from patients;
create table legacy (id bigint, tenant_id uuid not null, patient bigint references patients (id));
create index legacy_patient on legacy (patient);`

/** `rule file:line object` of what is found in files behind version 1. */
async function findingsBehind(text: string, rules: { lint?: string[]; catalog?: string[] }): Promise<string[]> {
  const { sources } = readExample(`${patients}\n${text}`)
  const { findings } = await lintFiles(sources, {
    rules: lintRules.filter(({ id }) => rules.lint?.includes(id)),
    catalogRules: catalogRules.filter(({ id }) => rules.catalog?.includes(id)),
    since: '1',
  })
  return findings.map(({ rule, file, line, object }) => `${rule} ${file}:${line} ${object}`)
}

const OPENING = ['tenant-policy', 'view-security-invoker', 'grants', 'tenant-column', 'rls-forced', 'foreign-key-index']

test('Judge: what pending files break of applied objects is told where they do it', async () => {
  const found = await findingsBehind(
    `
-- file: V002__open.sql
alter policy tenant_isolation on patients using (true) with check (true);
alter view v set (security_invoker = false);
grant select on patients to public;
alter table patients alter column tenant_id drop not null;
alter table patients add column note text;`,
    { catalog: OPENING },
  )

  assert.deepEqual(found, [
    'tenant-policy V002__open.sql:1 public.patients',
    'tenant-policy V002__open.sql:1 public.patients',
    'view-security-invoker V002__open.sql:2 public.v',
    'grants V002__open.sql:3 public.patients',
    'tenant-column V002__open.sql:4 public.patients',
  ])
})

test('Judge: names the place where the applied object was made as the other end', async () => {
  const { sources } = readExample(`${patients}\n-- file: V002__grant.sql\ngrant select on patients to public;`)

  const { findings } = await lintFiles(sources, {
    rules: [],
    catalogRules: catalogRules.filter(({ id }) => id === 'grants'),
    since: '1',
  })

  assert.deepEqual(
    findings.map(({ related }) => related),
    [[{ file: 'V001__patients.sql', line: 3, message: 'made here' }]],
  )
})

test('Judge: also where code, a grant on all tables or a dropped index breaks applied objects', async () => {
  const found = await findingsBehind(
    `
-- file: V002__open.sql
grant select on all tables in schema public to public;
drop index legacy_patient;
do $$ begin
  perform 1;
  execute format('alter table %I no force row level security', 'pat' || 'ients');
end $$;`,
    { catalog: ['grants', 'rls-forced', 'foreign-key-index'] },
  )

  assert.deepEqual(found.filter((text) => /patients$|legacy$/.test(text)).toSorted(), [
    'foreign-key-index V002__open.sql:2 public.legacy',
    'grants V002__open.sql:1 public.legacy',
    'grants V002__open.sql:1 public.patients',
    'rls-forced V002__open.sql:5 public.patients',
  ])
})

test('Judge: what was wrong with applied objects before stays unsaid, also when they get another name', async () => {
  const found = await findingsBehind(
    `
-- file: V002__legacy.sql
alter table legacy add column note text;
alter table legacy rename to legacies;
-- file: V003__legacy.sql
alter table legacies add column more text;`,
    { catalog: [...OPENING, 'rls-enabled', 'no-primary-key'] },
  )

  assert.deepEqual(found, [])
})

const IN_CODE = `
do $$ begin
  if not exists (select from pg_roles where rolname = 'reporting') then
    create role reporting login bypassrls;
  end if;
  alter table patients disable row level security;
  drop policy tenant_isolation on patients;
  alter table patients add column ward bigint not null;
  alter table patients alter column mrn type varchar(5);
  alter table patients rename column mrn_norm to mrn_clean;
  alter table patients disable trigger all;
  drop trigger kept on patients;
end $$;`

test('Judge: rules about protection and rows see what a DO block runs', async () => {
  const lint = [
    'bypass-rls-role',
    'row-security-off',
    'policy-dropped',
    'required-column-added',
    'type-narrowed',
    'column-renamed',
    'triggers-disabled',
    'trigger-removed',
  ]

  const found = await findingsBehind(`-- file: V002__code.sql${IN_CODE}`, { lint })

  assert.deepEqual(
    found.map((text) => text.split(' ').slice(0, 2).join(' ')),
    [
      'bypass-rls-role V002__code.sql:3',
      'row-security-off V002__code.sql:5',
      'policy-dropped V002__code.sql:6',
      'required-column-added V002__code.sql:7',
      'type-narrowed V002__code.sql:8',
      'column-renamed V002__code.sql:9',
      'triggers-disabled V002__code.sql:10',
      'trigger-removed V002__code.sql:11',
    ],
  )
})

test('Judge: what code takes away and the file gives back, in code or not, is no finding', async () => {
  const found = await findingsBehind(
    `
-- file: V002__code.sql
do $$
declare t text;
begin
  alter table patients disable row level security;
  alter table patients disable trigger kept;
  update patients set mrn = trim(mrn);
  alter table patients enable trigger kept;
  foreach t in array array['patients'] loop
    execute format('drop policy if exists tenant_isolation on %I', t);
    execute format('create policy tenant_isolation on %I using (tenant_id = (select core.current_tenant_id()))', t);
  end loop;
  drop trigger if exists kept on patients;
end $$;
do $$ begin
  create trigger kept before update on patients for each row execute function keep();
end $$;
alter table patients enable row level security;`,
    { lint: ['row-security-off', 'policy-dropped', 'trigger-removed', 'trail-removed'] },
  )

  assert.deepEqual(found, [])
})

test('Judge: what an earlier statement gave does not make up for what code takes away', async () => {
  const found = await findingsBehind(
    `
-- file: V002__code.sql
select 1;
alter table patients enable row level security;
do $$ begin
  alter table patients disable row level security;
end $$;`,
    { lint: ['row-security-off'] },
  )

  assert.deepEqual(found, ['row-security-off V002__code.sql:4 public.patients'])
})

test('Judge: the branches of a condition over rows are judged, whichever is taken', async () => {
  const found = await findingsBehind(
    `
-- file: V002__code.sql
do $$ begin
  if exists (select 1 from patients where mrn is null) then
    drop table patients;
  elsif exists (select 1 from legacy) then
    execute 'drop table legacy';
  else
    delete from patients;
  end if;
  case (select count(*) from legacy) when 0 then alter table legacy drop column tenant_id; else null; end case;
end $$;`,
    { lint: ['table-dropped', 'rows-deleted', 'column-dropped'] },
  )

  assert.deepEqual(found, [
    'table-dropped V002__code.sql:3 public.patients',
    'table-dropped V002__code.sql:5 public.legacy',
    'rows-deleted V002__code.sql:7 public.patients',
    'column-dropped V002__code.sql:9 public.legacy.tenant_id',
  ])
})

test('Judge: guards that pass by what is there already are no finding', async () => {
  const found = await findingsBehind(
    `
-- file: V002__code.sql
do $$ begin
  if not exists (select from pg_tables where tablename = 'wards') then
    create table wards (id bigint primary key);
    alter table wards add column name text not null;
  end if;
  if exists (select from pg_tables where tablename = 'nothing') then drop table nothing; end if;
  if exists (select 1 from patients where mrn is null) then raise exception 'rows without a number'; end if;
  if not exists (select 1 from patients) then
    create table beds (id bigint primary key);
    create index on beds (id);
    alter table beds rename column id to number;
  end if;
end $$;`,
    { lint: lintRules.filter(({ family }) => family === 'locks' || family === 'destruction').map(({ id }) => id) },
  )

  assert.deepEqual(found, [])
})

test('Judge: a batch loop in a DO block gives one finding a statement', async () => {
  const batches = (head: string, end: string) => `
-- file: V002__code.sql
alter table patients drop column mrn;
do $$
declare n int := 1;
begin
  ${head}
    update patients set mrn_norm = lower(mrn_norm) where id in (select id from patients where mrn_norm is null limit 1000);
    get diagnostics n = row_count;
    ${end}
  end loop;
  delete from legacy;
end $$;`
  const lint = ['backfill-with-ddl', 'rows-deleted']
  const expected = [
    'backfill-with-ddl V002__code.sql:6 public.patients',
    'backfill-with-ddl V002__code.sql:10 public.legacy',
    'rows-deleted V002__code.sql:10 public.legacy',
  ]

  for (const [head, end] of [
    ['loop', 'exit when n = 0;'],
    ['loop', 'if n = 0 then exit; end if;'],
    ['loop', 'continue when n > 0; exit;'],
    ['while n > 0 loop', ''],
    ['for turn in 1..50 loop', ''],
    ['while exists (select from patients where mrn_norm is null) loop', ''],
  ] as const)
    assert.deepEqual((await findingsBehind(batches(head, end), { lint })).toSorted(), expected.toSorted(), head + end)
})
