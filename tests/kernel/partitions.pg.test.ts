import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { hospitalDatabase } from '../support/database.ts'
import { makeTenant } from '../support/tenants.ts'

test('maintain_partitions: makes what is missing, protected like its parent, and nothing the second time', async () => {
  await using database = await hospitalDatabase()
  const db = connect(database.url)
  // The template may be from before midnight.
  await db.query('select core.maintain_partitions()')
  const [last] = await db.query<{ name: string }>(`
    select inhrelid::regclass::text as name from pg_inherits
    where inhparent = 'audit.audit_logs'::regclass and inhrelid::regclass::text ~ '_y' order by 1 desc limit 1`)
  assert.ok(last)
  await db.query(`drop table ${last.name}`)

  const [first] = await db.query('select core.maintain_partitions() as made')
  const [second] = await db.query('select core.maintain_partitions() as made')
  const [partition] = await db.query(
    `select
       c.relrowsecurity as enabled, c.relforcerowsecurity as forced, pg_get_userbyid(c.relowner) as owner, c.relacl::text as grants,
       (select qual from pg_policies where format('%I.%I', schemaname, tablename) = $1) as policy,
       (select count(*)::int from pg_trigger where tgrelid = c.oid and tgtype & 32 = 32) as truncate_triggers
     from pg_class c where c.oid = $1::text::regclass`,
    [last.name],
  )

  assert.deepEqual([first, second], [{ made: 1 }, { made: 0 }])
  assert.deepEqual(partition, {
    enabled: true,
    forced: true,
    owner: 'kernel_owner',
    grants: null,
    policy: '(tenant_id = ( SELECT core.current_tenant_id() AS current_tenant_id))',
    truncate_triggers: 1,
  })
  await db.close()
})

test('maintain_partitions: a day that has rows in the default partition is passed over, the days behind it are made', async () => {
  await using database = await hospitalDatabase()
  const db = connect(database.url)
  const tenant = await makeTenant(db)
  await db.query('truncate core.outbox_events')
  for (const { name } of await db.query<{ name: string }>(`
    select inhrelid::regclass::text as name from pg_inherits
    where inhparent = 'core.outbox_events'::regclass and inhrelid::regclass::text ~ '_y'`))
    await db.query(`drop table ${name}`)
  await db.query(
    `insert into core.outbox_events (tenant_id, occurred_at, aggregate_type, aggregate_id, event_type, event_version, payload)
     values ($1, now() + interval '1 day', 'test', $1, 'test.happened.v1', 1, '{}')`,
    [tenant],
  )

  await db.query('select core.maintain_partitions()')
  const partitions = await db.query(`
    select from pg_inherits where inhparent = 'core.outbox_events'::regclass and inhrelid::regclass::text ~ '_y'`)
  const rows = await db.query('select tableoid::regclass::text as in from core.outbox_events')

  assert.equal(partitions.length, 7) // today and 7 days, but tomorrow
  assert.deepEqual(rows, [{ in: 'core.outbox_events_default' }])
  await db.close()
})
