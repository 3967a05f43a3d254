import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { hospitalDatabase } from '../support/database.ts'

const insertDemoTenant = `
  insert into core.tenants (id, code, name, kind, country, timezone, currency)
  values ($1, 'demo-clinic', 'Demo', 'clinic', 'IN', 'Asia/Kolkata', 'INR')`

test('set_environment: is written once, and nobody can change or remove it', async () => {
  await using database = await hospitalDatabase()
  const db = connect(database.url)

  await db.query(`select core.set_environment('production')`)
  await db.query(`select core.set_environment('production')`)

  await assert.rejects(db.query(`select core.set_environment('dev')`), { sqlstate: 'IM006' })
  await assert.rejects(db.query(`update core.system_settings set value = '"dev"' where key = 'core.environment'`), {
    sqlstate: 'IM006',
  })
  await assert.rejects(db.query(`delete from core.system_settings where key = 'core.environment'`), {
    sqlstate: 'IM006',
  })
  await db.close()
})

test('demo data: a demo tenant is refused on a production database and on one without a mark', async () => {
  await using database = await hospitalDatabase()
  const db = connect(database.url)

  await assert.rejects(db.query(insertDemoTenant, [randomUUID()]), { sqlstate: 'IM006' })
  await db.query(`select core.set_environment('production')`)
  await assert.rejects(db.query(insertDemoTenant, [randomUUID()]), { sqlstate: 'IM006' })
  await assert.rejects(db.query('select core.assert_not_production()'), { sqlstate: 'IM006' })
  await db.close()
})

test('demo data: a demo tenant is welcome on a development database', async () => {
  await using database = await hospitalDatabase()
  const db = connect(database.url)
  await db.query(`select core.set_environment('development')`)

  await db.query(insertDemoTenant, [randomUUID()])

  const [row] = await db.query<{ environment: string }>('select core.environment() as environment')
  assert.equal(row?.environment, 'dev')
  await db.close()
})
