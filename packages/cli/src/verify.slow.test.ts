import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { demoDatabase, emptyDatabase, hospitalDatabase } from '../../../tests/support/database.ts'
import { runCliJson } from '../../../tests/support/run-cli.ts'

// The JSON shapes are public: whoever changes a list of keys below breaks the tools that read them.

const FINDING = 'rule family severity file line column object message related help fix'.split(' ').toSorted()

test('imhotep verify --attack --quick --json: answers checks, findings and attempts, none through', async () => {
  await using database = await demoDatabase()

  const { code, answer } = await runCliJson(['verify', '--attack', '--quick'], database.url)

  assert.deepEqual(Object.keys(answer), ['command', 'ok', 'target', 'checks', 'tables', 'findings', 'attack', 'ms'])
  assert.deepEqual(Object.keys(answer.target), ['host', 'database', 'environment'])
  assert.equal(answer.target.environment, 'development')
  assert.ok(answer.checks > 0 && answer.attack.attempts > 0)
  assert.deepEqual(answer.attack.through, [])
  for (const finding of answer.findings) assert.deepEqual(Object.keys(finding).toSorted(), FINDING)
  assert.equal(code, 0)
})

test('imhotep verify: a table without its policy is exit code 1 and a finding that names it', async () => {
  await using database = await hospitalDatabase()
  const db = connect(database.url)
  await db.query('alter table patient.patients no force row level security')
  await db.close()

  const { code, answer } = await runCliJson(['verify'], database.url)

  assert.equal(code, 1)
  assert.equal(answer.ok, false)
  assert.ok(answer.findings.some(({ object }: { object: string }) => object === 'patient.patients'))
})

test('imhotep verify --attack: follows the policy of the config file, in a schema of other conventions', async () => {
  await using database = await emptyDatabase()
  const directory = mkdtempSync(join(tmpdir(), 'imhotep-policy-'))
  const db = connect(database.url)
  await db.query('create table public.visits (clinic bigint not null, id bigint not null, primary key (clinic, id))')
  await db.query('alter table public.visits enable row level security, force row level security')
  const own = `clinic = (select nullif(current_setting('my.clinic', true), '')::bigint)`
  await db.query(`create policy clinic on public.visits using (${own}) with check (${own})`)
  await db.close()
  const policy = {
    tenantColumn: 'clinic',
    tenantType: 'bigint',
    contextSetting: 'my.clinic',
    contextExpression: `nullif(current_setting('my.clinic', true), '')::bigint`,
    isolationPolicy: 'clinic',
    attackRole: null,
    attackContext: {},
  }
  writeFileSync(join(directory, 'imhotep.config.json'), JSON.stringify({ policy }))

  const { code, answer } = await runCliJson(['verify', '--attack'], database.url, directory)

  rmSync(directory, { recursive: true })
  assert.deepEqual(answer.findings, [])
  assert.deepEqual(answer.attack.through, [])
  assert.ok(answer.attack.attempts > 50)
  assert.equal(code, 0)
})
