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
  app = connect(database.appUrl)
  tenant = await makeTenant(superuser)
  // a table of every kind of column that the trigger treats apart
  await superuser.query(`
    create table core.audited (
      tenant_id uuid not null, id uuid not null default core.uuid_v7(), patient_id uuid, note text, phone_enc bytea,
      deleted_at timestamptz, updated_at timestamptz, row_version integer not null default 1, primary key (tenant_id, id)
    )`)
  await superuser.query('grant all on core.audited to imhotep_app')
  await superuser.query(`select audit.track('core.audited')`)
})
after(async () => {
  await app.close()
  await superuser.close()
  await database.drop()
})

interface LogRow {
  readonly action: string
  readonly row_id: string
  readonly patient_id: string | null
  readonly old_values: Record<string, unknown> | null
  readonly new_values: Record<string, unknown> | null
  readonly changed_columns: string[] | null
  readonly actor_user_id: string | null
  readonly reason: string | null
}

test('audit.track: logs inserts, changed columns of updates, soft deletes, restores and deletes, with the actor', async () => {
  const context = contextOf(tenant, { details: { reason: 'test of the log' } })
  const patient = randomUUID()

  const id = await withTenant(app, context, async (tx) => {
    const [row] = await tx.query<{ id: string }>(
      `insert into core.audited (tenant_id, patient_id, note, phone_enc) values ($1, $2, 'one', 'cipher') returning id`,
      [tenant, patient],
    )
    assert.ok(row)
    await tx.query(`update core.audited set note = 'two', phone_enc = 'other' where id = $1`, [row.id])
    await tx.query(`update core.audited set note = 'two', updated_at = now(), row_version = 2 where id = $1`, [row.id])
    await tx.query(`update core.audited set deleted_at = now() where id = $1`, [row.id])
    await tx.query(`update core.audited set deleted_at = null where id = $1`, [row.id])
    await tx.query(`delete from core.audited where id = $1`, [row.id])
    return row.id
  })

  const rows = await logOf(id)
  assert.deepEqual(
    rows.map((row) => row.action),
    ['insert', 'update', 'soft_delete', 'restore', 'delete'],
  )
  assert.ok(rows.every((row) => row.patient_id === patient && row.actor_user_id === context.user))
  assert.ok(rows.every((row) => row.reason === 'test of the log'))
  assert.deepEqual(rows[0]?.new_values, { id, note: 'one', patient_id: patient })
  assert.deepEqual(rows[1]?.changed_columns, ['note', 'phone_enc'])
  assert.deepEqual(rows[1]?.old_values, { note: 'one', phone_enc: '***' })
  assert.deepEqual(rows[1]?.new_values, { note: 'two', phone_enc: '***' })
})

test('audit.track: logs every row of a statement, and nothing of a transaction that is rolled back', async () => {
  await withTenant(app, contextOf(tenant), (tx) =>
    tx.query(`insert into core.audited (tenant_id, note) select $1, 'bulk' from generate_series(1, 500)`, [tenant]),
  )
  await assert.rejects(
    withTenant(app, contextOf(tenant), async (tx) => {
      await tx.query(`insert into core.audited (tenant_id, note) values ($1, 'undone')`, [tenant])
      throw new Error('rolled back on purpose')
    }),
    /on purpose/,
  )

  assert.equal(await countLog(`new_values ->> 'note' = 'bulk'`), 500)
  assert.equal(await countLog(`new_values ->> 'note' = 'undone'`), 0)
})

test('the log: nobody changes, deletes or truncates a row, the superuser included', async () => {
  for (const statement of [
    `update audit.audit_logs set reason = 'forged'`,
    'delete from audit.audit_logs',
    'truncate audit.audit_logs',
    'truncate audit.audit_logs_default',
    'truncate audit.phi_access_logs_default',
  ])
    await assert.rejects(superuser.query(statement), { sqlstate: 'IM006' }, statement)
  const partitions = await superuser.query<{ name: string }>(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit.audit_logs'::regclass`,
  )
  assert.equal(partitions.length, 3) // this month, the next and the default
  for (const { name } of partitions)
    await assert.rejects(superuser.query(`truncate ${name}`), { sqlstate: 'IM006' }, name)
})

test('the log: an application neither reads nor writes it', async () => {
  for (const statement of [
    'select from audit.audit_logs',
    'select from audit.audit_logs_default',
    `insert into audit.audit_logs (tenant_id, action, schema_name, table_name) values ('${tenant}', 'insert', 'a', 'b')`,
  ])
    await assert.rejects(
      withTenant(app, contextOf(tenant), (tx) => tx.query(statement)),
      { sqlstate: '42501' },
      statement,
    )
})

test('log_access: emergency purpose needs an open session of this user for this patient', async () => {
  const context = contextOf(tenant, { purpose: 'BTG' })
  const patient = randomUUID()
  const read = () =>
    withTenant(app, context, (tx) => tx.query(`select audit.log_access('chart', $1, $1, 'view')`, [patient]))

  await assert.rejects(read(), { sqlstate: '23514' })
  await withTenant(app, context, (tx) =>
    tx.query(`select audit.open_break_glass($1, 'emergency', 'unconscious in triage')`, [patient]),
  )
  await read()

  const [row] = await superuser.query<{ count: number }>(
    'select count(*)::int as count from audit.phi_access_logs where patient_id = $1 and break_glass_id is not null',
    [patient],
  )
  assert.equal(row?.count, 1)
})

test('break glass: a short reason (IM920), a second session (IM921) and the own review (IM006) are refused', async () => {
  const context = contextOf(tenant)
  const patient = randomUUID()
  const open = (reason: string) =>
    withTenant(app, context, async (tx) => {
      const [row] = await tx.query<{ id: string }>(`select audit.open_break_glass($1, 'emergency', $2) as id`, [
        patient,
        reason,
      ])
      return row?.id
    })
  const review = (reviewer: string | null) =>
    withTenant(app, { ...context, user: reviewer }, (tx) =>
      tx.query(`select audit.review_break_glass($1, 'justified')`, [session]),
    )

  await assert.rejects(open('short'), { sqlstate: 'IM920' })
  const session = await open('unconscious in triage')
  await assert.rejects(open('unconscious in triage'), { sqlstate: 'IM921' })
  await assert.rejects(review(context.user), { sqlstate: 'IM006' })
  await assert.rejects(review(randomUUID()), { sqlstate: 'IM001' })
  await withTenant(app, context, (tx) => tx.query('select audit.close_break_glass($1)', [session]))
  await review(randomUUID())
})

async function logOf(id: string): Promise<LogRow[]> {
  return superuser.query<LogRow>(
    `select action, row_id, patient_id, old_values, new_values, changed_columns, actor_user_id, reason
     from audit.audit_logs where row_id = $1 order by seq`,
    [id],
  )
}

async function countLog(condition: string): Promise<number | undefined> {
  const [row] = await superuser.query<{ count: number }>(
    `select count(*)::int as count from audit.audit_logs where ${condition}`,
  )
  return row?.count
}
