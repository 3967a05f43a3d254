import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../tests/support/database.ts'
import { runCli } from '../../../tests/support/run-cli.ts'

const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url))

test('imhotep status, then migrate: a team moves over from Knex and finds what it has applied', async () => {
  await using database = await emptyDatabase('cli_knex')
  const project = mkdtempSync(join(tmpdir(), 'imhotep-cli-knex-'))
  mkdirSync(join(project, 'migrations'))
  symlinkSync(modules, join(project, 'node_modules'))
  writeFileSync(join(project, 'imhotep.config.json'), '{"migrations": "migrations", "historyTable": "public.history"}')
  for (const table of ['a', 'b']) {
    writeFileSync(
      join(project, 'migrations', `2026010112000${table === 'a' ? 1 : 2}_${table}.js`),
      `exports.up = (knex) => knex.schema.createTable('${table}', (columns) => columns.increments('id'))`,
    )
  }
  const db = connect(database.url)
  await db.query('create table a (id serial primary key)')
  await db.query(
    'create table knex_migrations (id serial primary key, name varchar(255), batch int, migration_time timestamptz)',
  )
  await db.query(`insert into knex_migrations (name, batch) values ('20260101120001_a.js', 1)`)
  const run = (...args: string[]) => runCli(args, { cwd: project, env: { DATABASE_URL: database.url } })

  const status = await run('status')
  const first = await run('migrate')
  const second = await run('migrate', '--json')
  const names = await db.query('select name, batch from knex_migrations order by id')

  await db.close()
  rmSync(project, { recursive: true })
  assert.match(status.stdout, /1 file applied by Knex: .*migrate takes them into the history/)
  assert.match(first.stdout, /20260101120001_a\.js +was applied by Knex/)
  assert.deepEqual(JSON.parse(second.stdout).adopted, [])
  assert.deepEqual(names, [
    { name: '20260101120001_a.js', batch: 1 },
    { name: '20260101120002_b.js', batch: 2 },
  ])
})
