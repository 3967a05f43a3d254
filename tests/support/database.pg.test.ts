import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase, hospitalDatabase } from './database.ts'

test('emptyDatabase: has no schema but public, and is gone after its block', async () => {
  let url: string
  {
    await using database = await emptyDatabase('support')
    url = database.url
    const db = connect(url)
    const schemas = await db.query(
      `select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'`,
    )
    await db.close()

    assert.deepEqual(schemas, [{ nspname: 'public' }])
  }
  await assert.rejects(connect(url).query('select 1'), { code: 'IMH_DATABASE_MISSING' })
})

test('hospitalDatabase: gives each caller a database of its own, also to callers at once', async () => {
  const databases = await Promise.all([hospitalDatabase(), hospitalDatabase(), hospitalDatabase()])
  const [first, second] = databases.map(({ url }) => connect(url))

  await first?.query('create table public.mine ()')
  const seen = await second?.query<{ mine: string | null }>(`select to_regclass('public.mine')::text as mine`)

  assert.deepEqual(seen, [{ mine: null }])
  await Promise.all([first?.close(), second?.close()])
  await Promise.all(databases.map((database) => database.drop()))
})

test('hospitalDatabase: lets imhotep_app log in, who owns nothing and does not pass row-level security', async () => {
  await using database = await hospitalDatabase()
  const db = connect(database.appUrl)

  const [role] = await db.query(
    `select rolname, rolsuper, rolbypassrls, exists (select from pg_class where relowner = r.oid) as owner
     from pg_roles r where rolname = current_user`,
  )

  assert.deepEqual(role, { rolname: 'imhotep_app', rolsuper: false, rolbypassrls: false, owner: false })
  await db.close()
})
