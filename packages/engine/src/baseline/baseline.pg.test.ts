import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase, testServer } from '../../../../tests/support/database.ts'
import { applyMigrations } from '../migrate/apply-migrations.ts'
import { defaultPolicy } from '../verify/policy.ts'
import { verifyDatabase } from '../verify/verify-database.ts'
import { adoptDatabase } from './adopt.ts'
import { writeDataFile } from './data-file.ts'
import { AdoptRefusedError } from './errors.ts'
import { makeBaseline, type Baseline } from './make-baseline.ts'
import { proveBaseline } from './prove.ts'
import { readDump } from './read-dump.ts'

const fixture = new URL('./workshop-dump.fixture.txt', import.meta.url).pathname
const directory = mkdtempSync(join(tmpdir(), 'imhotep-baseline-'))
after(() => rmSync(directory, { recursive: true }))

const TENANT = '11111111-1111-4111-8111-111111111111'
const EVERYTHING = { tenant: true, rls: true, audit: true, compliance: true, tenantDefault: TENANT } as const
const policy = {
  ...defaultPolicy,
  tables: [
    { match: 'shop.readings*', scope: 'global' as const, class: 'reference' },
    { match: '*', class: 'pii', owner: 'shop', retention: '10y' },
  ],
}

const make = async (options: Parameters<typeof makeBaseline>[1] = {}) => makeBaseline(await readDump(fixture), options)

async function prove(baseline: Baseline, more: { plain?: Baseline; data?: string; schemas?: string[] } = {}) {
  return proveBaseline(baseline, { server: await testServer(), plain: baseline, ...more })
}

test('makeBaseline: the export itself and its baseline make the same schema, once and twice', async () => {
  const baseline = await make({ owner: 'keep' })

  const proof = await prove(baseline)

  assert.deepEqual(proof, { equal: true, idempotent: true, exact: null, rows: null, differences: [] })
})

test('proveBaseline: an export that makes public, or only where it lacks, keeps the one of a new database', async () => {
  const path = join(directory, 'public.sql')
  const lines = [
    'drop schema if exists public;',
    'create schema public;',
    'create schema if not exists public;',
    'alter schema public owner to postgres;',
    "comment on schema public is 'standard public schema';",
    'create table public.t (id integer);',
    'revoke all on schema public from public;',
    'revoke all on schema public from postgres;',
    'grant all on schema public to postgres;',
    'grant all on schema public to public;',
  ]
  writeFileSync(path, lines.join('\n'))

  for (const owner of ['keep', 'drop'] as const) {
    const proof = await prove(await makeBaseline(await readDump(path), { owner }))

    assert.deepEqual(proof.differences, [])
  }
})

test('proveBaseline: a baseline that lost something is found out', async () => {
  const baseline = await make()
  const files = baseline.files.map((file) => ({
    ...file,
    text: file.text.replace(/create .*jobs_mechanic_idx.*\n/, ''),
  }))

  const proof = await prove({ ...baseline, files })

  assert.equal(proof.equal, false)
  assert.deepEqual(
    proof.differences.map(({ part, object }) => [part, object]),
    [['equal', 'index jobs_mechanic_idx on shop.jobs']],
  )
})

test('makeBaseline: with additions it differs in the list and in nothing else, and the rows are the same', async () => {
  const baseline = await make({ ...EVERYTHING, policy })
  const data = join(directory, 'V001_1__data.sql')
  const tenantTables = ['shop.mechanics', 'shop.jobs']
  await writeDataFile(fixture, data, { policy, tenantTables, tenant: TENANT })

  const proof = await prove(baseline, { plain: await make(), data: readFileSync(data, 'utf8') })

  assert.deepEqual(proof, { equal: true, idempotent: true, exact: true, rows: true, differences: [] })
})

test('makeBaseline: an addition that is not in the list is found out', async () => {
  const baseline = await make({ tenant: true })
  const additions = baseline.additions.filter(({ object }) => object !== 'index jobs_mechanic_idx on shop.jobs')

  const proof = await prove({ ...baseline, additions }, { plain: await make() })

  assert.equal(proof.exact, false)
  assert.ok(proof.differences.some(({ message }) => message === 'changed, and no addition says so'))
})

test('makeBaseline: one file a concern, in an order that PostgreSQL takes', async () => {
  const baseline = await make({ split: true, owner: 'keep' })

  const proof = await prove(baseline)

  assert.deepEqual(
    baseline.files.map(({ name }) => name),
    ['extensions', 'types', 'tables', 'functions', 'security', 'indexes'].map(
      (title, n) => `V00${n + 1}__${title}.sql`,
    ),
  )
  assert.deepEqual(proof.differences, [])
})

test('makeBaseline: one schema alone, and what it referred to elsewhere is named', async () => {
  const file = join(directory, 'two.sql')
  const sql = [
    'CREATE SCHEMA a;',
    'CREATE SCHEMA b;',
    'CREATE TABLE b.t (id integer PRIMARY KEY);',
    'CREATE TABLE a.t (id integer PRIMARY KEY, b_id integer);',
    'ALTER TABLE ONLY a.t ADD CONSTRAINT t_b_fkey FOREIGN KEY (b_id) REFERENCES b.t(id);',
  ]
  writeFileSync(file, `${sql.join('\n')}\n`)

  const baseline = await makeBaseline(await readDump(file), { schemas: ['a'] })

  assert.deepEqual([...baseline.plain.tables.keys()], ['a.t'])
  assert.deepEqual(baseline.cut, [{ object: 'constraint t_b_fkey on a.t', reason: 'refers to b.t' }])
  assert.doesNotMatch(baseline.files[0]?.text ?? '', /\bb\.t\b/)
})

test('makeBaseline: what stands on a table stands behind it', async () => {
  const baseline = await make()

  const place = /-- shop\.jobs\n([^]*?)\n\n/.exec(baseline.files[0]?.text ?? '')?.[1] ?? ''

  assert.match(place, /^create table if not exists shop\.jobs/)
  assert.match(place, /constraint jobs_pkey primary key \(id\)/)
  for (const part of [
    'create index',
    'create policy',
    'foreign key',
    'create or replace trigger',
    'grant select',
    'comment on',
  ])
    assert.ok(place.includes(part), `${part} stands elsewhere`)
})

test('makeBaseline: the rules of tenancy hold on what it makes, and no attack gets through', async () => {
  await using database = await emptyDatabase('baseline_attack')
  const baseline = await make({ ...EVERYTHING, policy })
  const db = connect(database.url)
  const connection = await db.dedicated()
  await connection.script(`begin; ${baseline.files.map(({ text }) => text).join('\n')} commit;`)
  await connection.release()

  const report = await verifyDatabase(db, { policy, attack: 'quick' })

  await db.close()
  const broken = report.findings.filter(({ severity }) => severity === 'error')
  assert.deepEqual(
    broken.map(({ rule, message }) => `${rule}: ${message}`),
    [],
  )
  assert.deepEqual(report.attack?.through, [])
  assert.ok((report.attack?.attempts ?? 0) > 20)
})

test('adoptDatabase: a database that is what the export says gets its mark, then the additions as an increment', async () => {
  await using database = await emptyDatabase('baseline_adopt')
  const baseline = await make({ ...EVERYTHING, policy, increment: true })
  const db = connect(database.url)
  const connection = await db.dedicated()
  for (const role of ['shop_owner', 'shop_keeper', 'shop_reader'])
    await connection.script(`do $$ begin create role ${role}; exception when duplicate_object then null; end $$;`)
  await connection.script(baseline.source.map(({ text }) => `${text};\n`).join(''))
  await connection.script(
    `insert into shop.mechanics (name) values ('Ana'); insert into shop.jobs (title) values ('Brakes');
    refresh materialized view shop.totals`,
  )
  await connection.release()
  const project = mkdtempSync(join(directory, 'adopt-'))
  for (const { name, text } of baseline.files) writeFileSync(join(project, name), text)

  const adopted = await adoptDatabase(database.url, '001', await make(), { directory: project })
  const migrated = await applyMigrations(database.url, { directory: project })

  const tenants = await db.query('select distinct tenant_id::text from shop.jobs')
  await db.close()
  assert.deepEqual(adopted, { marked: ['001'], differences: [] })
  assert.deepEqual(
    migrated.applied.map(({ file }) => file),
    ['V002__additions.sql'],
  )
  assert.deepEqual(tenants, [{ tenant_id: TENANT }])
})

test('adoptDatabase: a database that differs is refused with what differs, unless it is forced', async () => {
  await using database = await emptyDatabase('baseline_differs')
  const baseline = await make()
  const project = mkdtempSync(join(directory, 'differs-'))
  for (const { name, text } of baseline.files) writeFileSync(join(project, name), text)

  const refused = adoptDatabase(database.url, '001', baseline, { directory: project })

  await assert.rejects(refused, (error) => error instanceof AdoptRefusedError && /table shop.jobs/.test(error.message))
  const forced = await adoptDatabase(database.url, '001', baseline, { directory: project, force: true })
  assert.deepEqual(forced.marked, ['001'])
})
