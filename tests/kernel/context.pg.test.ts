import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../support/database.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'

let database: TestDatabase
let superuser: Database
let app: Database
let tenant: string

before(async () => {
  database = await hospitalDatabase()
  superuser = connect(database.url)
  app = connect(database.appUrl, { max: 1 })
  tenant = await makeTenant(superuser)
})
after(async () => {
  await app.close()
  await superuser.close()
  await database.drop()
})

test('withTenant: the transaction knows tenant, user, role and purpose, the next one nothing', async () => {
  const context = contextOf(tenant)

  const [inside] = await withTenant(app, context, (tx) =>
    tx.query(
      'select core.current_tenant_id() as tenant, core.current_user_id() as user, core.current_role_name() as role',
    ),
  )
  const [outside] = await app.query<{ tenant: string | null }>('select core.current_tenant_id() as tenant')

  assert.deepEqual(inside, { tenant, user: context.user, role: 'doctor' })
  assert.equal(outside?.tenant, null)
})

test('begin_request: refuses a missing tenant (IM003)', async () => {
  await assert.rejects(app.query(`select core.begin_request(null, null, 'x', 'TREAT', null)`), { sqlstate: 'IM003' })
})

test('begin_request: refuses a second tenant in the same transaction (IM006)', async () => {
  const other = await makeTenant(superuser)

  await assert.rejects(
    withTenant(app, contextOf(tenant), (tx) =>
      tx.query(`select core.begin_request($1, null, 'x', 'TREAT', null)`, [other]),
    ),
    { sqlstate: 'IM006' },
  )
})

test('begin_request: quotes what it is given', async () => {
  const role = `x'; set local app.tenant_id = '${randomUUID()}'; --`

  const [row] = await withTenant(app, contextOf(tenant, { role }), (tx) =>
    tx.query('select core.current_tenant_id() as tenant, core.current_role_name() as role'),
  )

  assert.deepEqual(row, { tenant, role })
})

test('without a tenant: reads see nothing and writes fail', async () => {
  const seen = await app.query('select from core.tenants')

  assert.equal(seen.length, 0)
  await assert.rejects(
    app.query(`insert into core.feature_flags (tenant_id, key) values ($1, 'test.flag')`, [tenant]),
    { sqlstate: '42501' },
  )
  await assert.rejects(app.query(`select core.next_number('mrn', '')`), { sqlstate: 'IM003' })
})

test('shared rows: a tenant reads them and cannot change or forge them', async () => {
  const read = await withTenant(app, contextOf(tenant), (tx) =>
    tx.query(`select from core.system_settings where tenant_id is null`),
  )
  const changed = await withTenant(app, contextOf(tenant), (tx) =>
    tx.query(`update core.system_settings set description = 'x' where tenant_id is null returning id`),
  )

  assert.ok(read.length > 0)
  assert.equal(changed.length, 0)
  await assert.rejects(
    withTenant(app, contextOf(tenant), (tx) =>
      tx.query(`insert into core.feature_flags (tenant_id, key) values (null, 'test.shared')`),
    ),
    { sqlstate: '42501' },
  )
})

test('setting: the row of the tenant overrides the shared row, for that tenant only', async () => {
  const other = await makeTenant(superuser)
  const month = (id: string) =>
    withTenant(app, contextOf(id), async (tx) => {
      const [row] = await tx.query<{ value: number }>(`select core.setting('core.fiscal_year_start_month') as value`)
      return row?.value
    })

  await withTenant(app, contextOf(tenant), (tx) =>
    tx.query(
      `insert into core.system_settings (tenant_id, key, value, value_type, description)
       values ($1, 'core.fiscal_year_start_month', '1', 'int', 'January')`,
      [tenant],
    ),
  )

  assert.equal(await month(tenant), 1)
  assert.equal(await month(other), 4)
})

test('operations: a temporary domain named like a built-in type does not run with the rights of the owner', async () => {
  const attempt = withTenant(app, contextOf(tenant), async (tx) => {
    await tx.query(`create function pg_temp.spy(text) returns boolean language sql as $$
      select set_config('app.spied', current_user::text, true) is not null $$`)
    await tx.query('create domain pg_temp.text as pg_catalog.text check (pg_temp.spy(value::pg_catalog.text))')
    await tx.query(`select core.configure_series('probe', 'P')`)
    const [row] = await tx.query<{ spied: string | null }>(
      `select nullif(current_setting('app.spied', true), '') as spied`,
    )
    return row?.spied ?? null
  })

  assert.equal(await attempt, null)
})
