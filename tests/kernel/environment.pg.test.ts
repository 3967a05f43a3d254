import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseSql, readModules } from '@imhotep/engine'
import { connect } from '@imhotep/postgres'
import { countRows } from '../support/count-rows.ts'
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

test('demo data: the seed files sent by psql, which goes on after errors, leave nothing on a production database', async () => {
  await using database = await hospitalDatabase()
  const db = connect(database.url, { max: 1 })
  await db.query(`select core.set_environment('production')`)
  const before = await countRows(db)
  const connection = await db.dedicated()
  let refused = 0

  for (const { seeds } of await readModules(fileURLToPath(new URL('../../schema', import.meta.url))))
    for (const file of seeds.demo)
      for (const statement of (await parseSql(file.text, file.path)).statements)
        await connection.script(statement.text).catch(() => refused++)

  await connection.release()
  assert.ok(refused > 50, `${refused} refused`)
  assert.deepEqual(await countRows(db), before)
  await db.close()
})
