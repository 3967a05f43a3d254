import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { demoDatabase, type TestDatabase } from '../../../../../tests/support/database.ts'
import { readCatalog } from '../../catalog/live.ts'
import { attackDatabase, attackInside, type AttackReport } from './attack-database.ts'
import { AttackNotPossibleError } from './errors.ts'

describe('attackDatabase', () => {
  let database: TestDatabase
  let db: Database

  before(async () => {
    database = await demoDatabase()
    db = connect(database.url)
    await db.query('create schema leak')
    await db.query('grant usage on schema leak to imhotep_app')
  })

  after(async () => {
    await db.close()
    await database.drop()
  })

  test('quick: makes the essential attempts on every tenant table', async () => {
    const tables = await db.query('select from pg_class where relrowsecurity')

    const report = await attack({ mode: 'quick' })

    assert.deepEqual(report.through, [])
    assert.ok(report.attempts > tables.length * 10, `${report.attempts} attempts on ${tables.length} tables`)
  })

  test('quick without functions: two connections come to the verdicts of one', async () => {
    const how = { mode: 'quick', functions: false } as const
    await db.query('analyze') // tables with statistics are attacked for them
    for (const table of ['patient.patients', 'clinical.vital_signs'])
      await db.query(`create policy leak on ${table} using (true)`)
    const catalog = await readCatalog(db)

    const together = await attackDatabase(db, catalog, how)

    const alone = await db.transaction((tx) => attackInside(tx, catalog, how), { isolation: 'repeatable read' })
    assert.deepEqual(verdicts(together), verdicts(alone))
    assert.equal(together.attempts, alone.attempts)
    assert.ok(together.through.some(({ object }) => object === 'patient.patients'))
    assert.ok(together.through.some(({ object }) => object === 'clinical.vital_signs'))
    for (const table of ['patient.patients', 'clinical.vital_signs']) await db.query(`drop policy leak on ${table}`)
  })

  test('says what it could not try instead of passing it over', async () => {
    await db.query(`create table leak.odd (
      tenant_id uuid not null, id uuid not null default gen_random_uuid(), mark text not null check (mark = 'never guessed'),
      primary key (tenant_id, id))`)
    await isolate('leak.odd')

    const report = await attack({ only: ['leak.odd'] })

    assert.ok(report.untested.some(({ object, reason }) => object === 'leak.odd' && reason === 'no rows to attack'))
    assert.deepEqual(report.through, [])
    await db.query('drop table leak.odd')
  })

  test('finds a function that reads past the policies by id', async () => {
    await define('leak.read_tenant(p_user uuid)', 'returns setof core.tenants', 'select * from core.tenants')

    const report = await attack({ only: ['leak.read_tenant'] })

    assert.match(report.through[0]?.evidence ?? '', /the answer holds \d+ ids? of the other tenant/)
  })

  test('finds a function without arguments that lists all tenants', async () => {
    await define('leak.list_tenants()', 'returns setof uuid', 'select id from core.tenants')

    const report = await attack({ only: ['leak.list_tenants'] })

    assert.deepEqual(
      report.through.map(({ attempt }) => attempt),
      ['imhotep_app: call', 'imhotep_app: call without a tenant'],
    )
  })

  test('finds a function that changes a row of the other tenant', async () => {
    await define('leak.rename(p_tenant uuid)', 'returns void', `update core.tenants set name = 'x' where id = p_tenant`)

    const report = await attack({ only: ['leak.rename'] })

    assert.match(report.through[0]?.evidence ?? '', /rows of the other tenant changed/)
  })

  test('finds a function that removes a row of the other tenant', async () => {
    await db.query(`create table leak.notes (
      tenant_id uuid not null, id uuid not null default gen_random_uuid(), primary key (tenant_id, id))`)
    await isolate('leak.notes')
    await define('leak.remove(p_note uuid)', 'returns void', 'delete from leak.notes where id = p_note')

    const report = await attack({ only: ['leak.remove'] })

    assert.match(report.through[0]?.evidence ?? '', /rows of the other tenant changed/)
    await db.query('drop table leak.notes')
  })

  test('finds a function that only tells whether an id exists', async () => {
    await define(
      'leak.has(p_tenant uuid)',
      'returns boolean',
      'select exists (select from core.tenants where id = p_tenant)',
    )

    const report = await attack({ only: ['leak.has'] })

    assert.match(report.through[0]?.evidence ?? '', /answers otherwise than for an unknown id/)
  })

  test('finds a view that reads as its owner', async () => {
    await db.query('create view leak.tenants as select id as tenant_id, code from core.tenants')
    await db.query('grant select on leak.tenants to imhotep_app')

    const report = await attack({ only: ['leak.tenants'] })

    assert.ok(report.through.some(({ attempt }) => attempt.includes('through the view')))
    await db.query('drop view leak.tenants')
  })

  test('finds a key that tells whether a value exists in another tenant', async () => {
    await db.query(`create table leak.codes (
      tenant_id uuid not null, id uuid not null default gen_random_uuid(), code text not null unique,
      primary key (tenant_id, id))`)
    await isolate('leak.codes')

    const report = await attack({ only: ['leak.codes'] })

    assert.match(report.through[0]?.evidence ?? '', /key codes_code_key tells that a value exists/)
    await db.query('drop table leak.codes')
  })

  test('refuses without superuser, and says which URL to pass', async () => {
    const asApplication = connect(database.appUrl)
    const catalog = await readCatalog(db)

    const attempt = attackDatabase(asApplication, catalog)

    await assert.rejects(
      attempt,
      (error) => error instanceof AttackNotPossibleError && /superuser/.test(error.hint ?? ''),
    )
    await asApplication.close()
  })

  test('refuses a role that does not exist', async () => {
    const attempt = attack({ roles: ['nobody_of_that_name'] })

    await assert.rejects(attempt, AttackNotPossibleError)
  })

  test('refuses a database that works for signed requests only', async () => {
    await db.query(`select core.add_context_key('test', sha256('test')), core.require_signed_context()`)

    const attempt = attack({ mode: 'quick' })

    await assert.rejects(
      attempt,
      (error) => error instanceof AttackNotPossibleError && /not signed/.test(error.message),
    )
    await db.query('select core.accept_unsigned_context()')
  })

  async function attack(options: Parameters<typeof attackDatabase>[2]): Promise<AttackReport> {
    return attackDatabase(db, await readCatalog(db), options)
  }

  /** In an order of their own: each connection tells its own. */
  function verdicts({ through, untested }: AttackReport): string[] {
    return [...through, ...untested].map((verdict) => JSON.stringify(verdict)).toSorted()
  }

  /** A function that a superuser owns: no policy holds it. */
  async function define(signature: string, returns: string, body: string): Promise<void> {
    await db.query(
      `create function ${signature} ${returns} language sql security definer set search_path = '' as $$ ${body} $$`,
    )
    await db.query(`grant execute on function ${signature} to imhotep_app`)
  }

  async function isolate(table: string): Promise<void> {
    await db.query(`alter table ${table} enable row level security, force row level security`)
    await db.query(
      `create policy tenant_isolation on ${table} using (tenant_id = (select core.current_tenant_id()))
         with check (tenant_id = (select core.current_tenant_id()))`,
    )
    await db.query(`grant select, insert on ${table} to imhotep_app`)
  }
})
