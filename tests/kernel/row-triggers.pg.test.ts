import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../support/database.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'

let database: TestDatabase
let superuser: Database
let tenant: string

before(async () => {
  database = await hospitalDatabase()
  superuser = connect(database.url)
  tenant = await makeTenant(superuser)
  await superuser.query(`
    create table core.probe (
      id int primary key, note text, row_version int not null default 1,
      updated_at timestamptz not null default '2000-01-01', updated_by uuid
    )`)
  await superuser.query(`
    create trigger probe_touch before update on core.probe
    for each row execute function core.update_updated_at_column('row_version')`)
})
after(async () => {
  await superuser.close()
  await database.drop()
})

test('update_updated_at_column: keeps who changed a row and when, and counts its version', async () => {
  await superuser.query('insert into core.probe (id) values (1)')
  const context = contextOf(tenant)

  const [row] = await withTenant(superuser, context, (tx) =>
    tx.query(
      `update core.probe set note = 'new' where id = 1
       returning row_version, updated_by, updated_at = now() as is_now`,
    ),
  )

  assert.deepEqual(row, { row_version: 2, updated_by: context.user, is_now: true })
})

test('update_updated_at_column: whoever read an older version is refused (IM004), and whoever read the current one is not', async () => {
  await superuser.query('insert into core.probe (id, row_version) values (2, 7)')
  const change = (version: number) =>
    superuser.query<{ version: number }>(
      'update core.probe set row_version = $1 where id = 2 returning row_version as version',
      [version],
    )

  const [first] = await change(7)

  assert.equal(first?.version, 8)
  await assert.rejects(change(7), { sqlstate: 'IM004' })
})
