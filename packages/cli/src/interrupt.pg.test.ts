import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { hospitalDatabase } from '../../../tests/support/database.ts'
import { runCli } from '../../../tests/support/run-cli.ts'

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  test(`imhotep status: ${name} ends it while the database keeps it waiting`, async () => {
    await using database = await hospitalDatabase()
    const db = connect(database.url, { max: 2 })
    const holder = await db.dedicated()
    await holder.script('begin; lock table core.schema_migrations in access exclusive mode')
    const waiting = async () => {
      const query = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
      while ((await db.query(query)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }

    const { code, stderr } = await runCli(['status'], {
      env: { DATABASE_URL: database.url },
      signal: { name, when: waiting() },
    })

    assert.equal(code, 130)
    assert.match(stderr, /code: IMH_CANCELLED/)
    await holder.release()
    await db.close()
  })
}
