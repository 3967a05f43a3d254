import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { hospitalDatabase } from '../support/database.ts'

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
