import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { testServer } from '../../../tests/support/database.ts'
import { runCli } from '../../../tests/support/run-cli.ts'

// The JSON shape is public: whoever changes the keys below breaks the tools that read them.

const root = mkdtempSync(join(tmpdir(), 'imhotep-cli-baseline-'))
const dump = join(root, 'dump.sql')
writeFileSync(
  dump,
  `--
-- PostgreSQL database dump
--
CREATE SCHEMA shop;
CREATE TABLE shop.mechanics (
    id bigint NOT NULL,
    name text NOT NULL
);
ALTER TABLE ONLY shop.mechanics
    ADD CONSTRAINT mechanics_pkey PRIMARY KEY (id);
--
-- PostgreSQL database dump complete
--
`,
)
after(() => rmSync(root, { recursive: true }))

let projects = 0
function project(): string {
  const directory = mkdtempSync(join(root, `${projects++}-`))
  writeFileSync(join(directory, 'imhotep.config.json'), '{"policy": {"tables": [{"match": "*", "class": "pii"}]}}')
  return directory
}

test('imhotep baseline --prove --json: writes V001 and the report, and answers additions and proof', async () => {
  const cwd = project()
  const args = ['baseline', dump, '--tenant', '--rls', '--audit', '--report', 'added.md']

  const { code, stdout } = await runCli([...args, '--prove', '--server', await testServer(), '--json'], { cwd })

  const answer = JSON.parse(stdout)
  assert.equal(code, 0, stdout)
  const keys =
    'command ok target input output files tables statements rows additions advice kept leftOut proof adopted ms'
  assert.deepEqual(Object.keys(answer), keys.split(' '))
  assert.equal(answer.output, 'db/migration/V001__baseline.sql')
  assert.deepEqual(Object.keys(answer.additions[0]), ['rule', 'object', 'sql'])
  assert.deepEqual(answer.proof, { equal: true, idempotent: true, exact: true, rows: null, differences: [] })
  assert.match(readFileSync(join(cwd, 'db/migration/V001__baseline.sql'), 'utf8'), /tenant_id uuid not null/)
  assert.match(readFileSync(join(cwd, 'added.md'), 'utf8'), /### tenant-column/)
})

test('imhotep baseline: a file that says something else is not written over', async () => {
  const cwd = project()
  const first = await runCli(['baseline', dump, '--output', 'schema.sql'], { cwd })
  writeFileSync(join(cwd, 'schema.sql'), '-- changed by hand\n')

  const { code, stderr } = await runCli(['baseline', dump, '--output', 'schema.sql'], { cwd })

  assert.equal(first.code, 0, first.stderr)
  assert.equal(code, 1)
  assert.match(stderr, /schema\.sql' is there already/)
  assert.equal(readFileSync(join(cwd, 'schema.sql'), 'utf8'), '-- changed by hand\n')
})

test('imhotep baseline: what makes no sense is exit code 2 with the way out', async () => {
  const cwd = project()
  writeFileSync(join(cwd, 'custom.dump'), 'PGDMP\u0001')

  const custom = await runCli(['baseline', 'custom.dump'], { cwd })
  const rows = await runCli(['baseline', dump, '--tenant', '--data', 'keep'], { cwd })
  const security = await runCli(['baseline', dump, '--rls'], { cwd })

  assert.deepEqual([custom.code, rows.code, security.code], [2, 2, 2])
  assert.match(custom.stderr, /pg_restore -f dump\.sql/)
  assert.match(rows.stderr, /--tenant-default/)
  assert.match(security.stderr, /add --tenant/)
})
