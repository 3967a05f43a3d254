import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { applySeeds, readModules, type Module } from '@imhotep/engine'
import { withTenant } from '@imhotep/kernel'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from './support/database.ts'
import { contextOf } from './support/tenants.ts'

/** Asha Clinic and Nile Clinic. */
const tenants = ['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']

/** What the seed cannot promise, and why. */
const exceptions: Readonly<Record<string, string>> = {
  'audit.audit_chain_anchors': 'a seal waits for every older transaction of the server, those of other tests too',
  'audit.metrics_hourly': 'counted when a seal is made',
  'audit.compliance_daily': 'counted when a seal is made',
  'audit.audit_archives': 'holds months that ended 90 days ago',
}

let database: TestDatabase
let superuser: Database
let app: Database
let modules: Module[]

// Not a clone of a template: what is today in the demo must be today.
before(async () => {
  database = await hospitalDatabase()
  superuser = connect(database.url)
  app = connect(database.appUrl)
  modules = await readModules(fileURLToPath(new URL('../schema', import.meta.url)))
  await superuser.query(`select core.set_environment('dev')`)
  await applySeeds(database.url, modules, 'demo')
})
after(async () => {
  await app.close()
  await superuser.close()
  await database.drop()
})

test('demo: fills every table that a tenant has rows in, in both tenants', async () => {
  const empty: string[] = []
  for (const { name, column } of await tenantTables()) {
    for (const tenant of tenants) {
      const rows = await superuser.query(`select from ${name} where ${column} = $1 limit 1`, [tenant])
      if (rows.length === 0) empty.push(`${name} of ${tenant}`)
    }
  }

  assert.deepEqual(empty, [])
})

test('demo: applied a second time it changes nothing', async () => {
  const before = await digest()
  await superuser.query(`delete from core.schema_migrations where version like 'seed:demo:%'`)

  const { applied } = await applySeeds(database.url, modules, 'demo')

  assert.ok(applied.length > 0)
  assert.deepEqual(await digest(), before)
})

for (const machine of ['scheduling.appointments', 'scheduling.queue_management', 'facility.beds']) {
  test(`demo: has ${machine} in every state that there is`, async () => {
    const states = await superuser.query<{ state: string }>(
      `select from_state as state from core.transition_rules where machine = $1 and from_state <> ''
       union select to_state from core.transition_rules where machine = $1 order by 1`,
      [machine],
    )

    for (const tenant of tenants) {
      const found = await withTenant(app, contextOf(tenant), (tx) =>
        tx.query(`select distinct status::text as state from ${machine} order by 1`),
      )
      assert.deepEqual(found, states)
    }
  })
}

test('demo: the states of appointments are those of the enumerated type', async () => {
  const rows = await superuser.query(
    `select s.state from unnest(enum_range(null::scheduling.appointment_status)) as s (state)
     where not exists (select from scheduling.appointments a where a.status = s.state)`,
  )

  assert.deepEqual(rows, [])
})

test('demo: the counts of every slot are those of its appointments and holds', async () => {
  const wrong = await superuser.query(
    `select s.id, s.booked_count, s.held_count
     from scheduling.appointment_slots s
     where
       s.booked_count <> (
         select count(*) from scheduling.appointments a
         where a.tenant_id = s.tenant_id and a.slot_id = s.id
           and a.status not in ('proposed', 'cancelled', 'rescheduled')
       )
       or s.held_count <> (
         select count(*) from booking.booking_requests r
         where r.tenant_id = s.tenant_id and r.slot_id = s.id and r.status = 'held'
       )`,
  )

  assert.deepEqual(wrong, [])
})

for (const view of [
  'scheduling.upcoming_appointments',
  'scheduling.queue_board',
  'patient.patient_summary',
  'facility.bed_board',
]) {
  test(`demo: ${view} shows each tenant rows of its own`, async () => {
    for (const tenant of tenants) {
      const rows = await withTenant(app, contextOf(tenant), (tx) => tx.query(`select distinct tenant_id from ${view}`))
      assert.deepEqual(rows, [{ tenant_id: tenant }])
    }
  })
}

test('demo: on production the database refuses each file by itself (IM006)', async () => {
  await using production = await hospitalDatabase()
  const target = connect(production.url)
  await target.query(`select core.set_environment('production')`)
  const files = modules.flatMap((module) => module.seeds.demo)
  const connection = await target.dedicated()

  const accepted: string[] = []
  for (const { path, text } of files) {
    const refusal = await connection.script(text).then(
      () => null,
      (error: { sqlstate?: string }) => error.sqlstate,
    )
    if (refusal !== 'IM006') accepted.push(`${path}: ${refusal}`)
  }

  await connection.release()
  assert.ok(files.length > 0)
  assert.deepEqual(accepted, [])
  assert.deepEqual(await target.query('select id from core.tenants'), [])
  await target.close()
})

interface TenantTable {
  readonly name: string
  readonly column: string
}

/** Tables whose comment says that tenants have rows in them. */
async function tenantTables(): Promise<TenantTable[]> {
  const tables = await superuser.query<TenantTable>(
    `select
       format('%I.%I', schema_name, table_name) as name, case scope when 'root' then 'id' else 'tenant_id' end as column
     from core.v_tables
     where scope in ('root', 'tenant', 'shared')
     order by 1`,
  )
  return tables.filter(({ name }) => !(name in exceptions))
}

/** A hash of all rows of every table of tenants. */
async function digest(): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {}
  for (const { name } of await tenantTables()) {
    const [row] = await superuser.query<{ hash: string }>(
      `select count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as hash from ${name} t`,
    )
    hashes[name] = row?.hash ?? ''
  }
  return hashes
}
