import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { emptyDatabase, testServer } from '../../../tests/support/database.ts'
import { runCli } from '../../../tests/support/run-cli.ts'

let project = ''
before(() => {
  project = mkdtempSync(join(tmpdir(), 'imhotep-adr-'))
  mkdirSync(join(project, 'db/migration'), { recursive: true })
  mkdirSync(join(project, 'docs/decisions'), { recursive: true })
  writeFileSync(join(project, 'docs/decisions/0041-before.md'), '')
  writeFileSync(join(project, 'db/migration/V001__a.sql'), 'create table lines (id int primary key);\n')
  writeFileSync(join(project, 'db/migration/V002__b.sql'), '\nalter table lines add id int;\n')
})
after(() => rmSync(project, { recursive: true }))

const run = (...args: string[]) => runCli(['adr', ...args], { cwd: project })
const place = 'column-added-twice@db/migration/V002__b.sql:2'

test('imhotep adr --from-finding: prints a record that names both ends, and writes nothing', async () => {
  const { code, stdout } = await run('One id', '--from-finding', place)

  assert.equal(code, 0)
  assert.match(stdout, /^# 0042: One id\n\nStatus: proposed\n/)
  assert.match(stdout, /`db\/migration\/V002__b\.sql:2`/)
  assert.match(stdout, /`db\/migration\/V001__a\.sql:1`/)
  assert.equal(existsSync(join(project, 'docs/decisions/0042-one-id.md')), false)
})

test('imhotep adr --url: adds the size of the table that the finding is about', async () => {
  await using database = await emptyDatabase('cli_adr')
  const db = connect(database.url)
  await db.query('create table lines as select generate_series(1, 1000) as id')
  await db.query('analyze lines')
  await db.close()

  const { stdout } = await run('One id', '--from-finding', place, '--url', database.url)

  assert.match(stdout, /\| `public\.lines` \| about 1,000 \| \d+ kB \|/)
})

test('imhotep adr --from-diff: prints the statements, their hazards and how large their tables are', async () => {
  await using database = await emptyDatabase('cli_adr_diff')
  const db = connect(database.url)
  await db.query('create table lines (id int primary key, note text)')
  await db.query('insert into lines select generate_series(1, 1000)')
  await db.query('analyze lines')
  await db.close()
  const server = await testServer()

  const both = ['--from-diff', database.url, 'db/migration/V001__a.sql', '--url', database.url, '--server', server]
  const { code, stdout } = await run('No notes', ...both)

  assert.equal(code, 0)
  assert.match(
    stdout,
    /`db\/migration\/V001__a\.sql` differs from `the database` in 1 object:\n\n- `column public\.lines\.note`/,
  )
  assert.match(stdout, /alter table public\.lines drop column note;/)
  assert.match(stdout, /\| data loss \| `column public\.lines\.note` \|/)
  assert.match(stdout, /\| `public\.lines` \| about 1,000 \|/)
})

test('imhotep adr --from-diff: wants two schemas', async () => {
  const { code, stderr } = await run('No notes', '--from-diff', 'modules')

  assert.equal(code, 2)
  assert.match(stderr, /imhotep adr TITLE --from-diff A B/)
})

test('imhotep adr: a finding that is not there is told with those that are', async () => {
  const { code, stderr } = await run('One id', '--from-finding', place.replace('twice', 'thrice'))

  assert.equal(code, 2)
  assert.match(stderr, /code: IMH_DECISION_INPUT/)
  assert.match(stderr, /column-added-twice in line 2/)
})

test('imhotep adr --write --json: writes the next number and answers with the file', async () => {
  const { code, stdout } = await run('Ids are UUIDs', '--status', 'accepted', '--write', '--json')

  const answer = JSON.parse(stdout)
  assert.equal(code, 0)
  assert.deepEqual(Object.keys(answer), ['command', 'ok', 'target', 'number', 'file', 'status', 'written', 'text'])
  assert.equal(answer.file, 'docs/decisions/0042-ids-are-uuids.md')
  assert.equal(readFileSync(join(project, answer.file), 'utf8'), answer.text)
})
