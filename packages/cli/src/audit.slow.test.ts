import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { demoDatabase } from '../../../tests/support/database.ts'
import { runCliJson } from '../../../tests/support/run-cli.ts'

test('imhotep audit seal, then verify: answers each log of each tenant without a problem', async () => {
  await using database = await demoDatabase()

  const seal = await runCliJson(['audit', 'seal'], database.url)
  const verify = await runCliJson(['audit', 'verify'], database.url)

  assert.equal(seal.code, 0)
  assert.equal(verify.code, 0)
  assert.deepEqual(Object.keys(verify.answer), ['command', 'ok', 'target', 'action', 'logs'])
  assert.ok(verify.answer.logs.some(({ sealedRows }: { sealedRows: number }) => sealedRows > 0))
})

test('imhotep audit: seals with a key and verifies with its public half; wrong files and options are told', async () => {
  await using database = await demoDatabase()
  const directory = mkdtempSync(join(tmpdir(), 'imhotep-key-'))
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  writeFileSync(join(directory, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(join(directory, 'key.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  const before = await runCliJson(['audit', 'verify', '--public-key', 'key.pub'], database.url, directory)
  const db = connect(database.url, { max: 1 })
  await db.query(
    `insert into audit.audit_logs (tenant_id, action, schema_name, table_name) select id, 'export', 'x', 'y' from core.tenants`,
  )
  await db.query(
    `insert into audit.phi_access_logs (tenant_id, resource_type, access_kind, purpose_of_use)
     select id, 'Patient', 'view', 'TREAT' from core.tenants`,
  )
  await db.close()

  const wrong = await runCliJson(['audit', 'seal', '--key', 'key.pub'], database.url, directory)
  const missing = await runCliJson(['audit', 'seal', '--key', 'none.pem'], database.url, directory)
  const misplaced = await runCliJson(['audit', 'verify', '--key', 'key.pem'], database.url, directory)
  const seal = await runCliJson(['audit', 'seal', '--key', 'key.pem'], database.url, directory)
  const pack = await runCliJson(['audit', 'pack', '--key', 'key.pem'], database.url, directory)
  const verify = await runCliJson(['audit', 'verify', '--public-key', 'key.pub'], database.url, directory)
  rmSync(directory, { recursive: true })

  assert.equal(before.code, 1) // the seals of the demo have no signature
  assert.equal(verify.code, 0)
  assert.deepEqual(
    new Set(verify.answer.logs.map(({ signedSeals }: { signedSeals: number }) => signedSeals)),
    new Set([1]),
  )
  assert.deepEqual([wrong.code, missing.code, misplaced.code, seal.code, pack.code], [2, 2, 2, 0, 0])
  assert.match(misplaced.answer.error.message, /--key is for: imhotep audit seal or pack/)
})

test('imhotep audit pack: packs a month that ended long ago, and what it held verifies from the archive', async () => {
  await using database = await demoDatabase()
  const db = connect(database.url, { max: 1 })
  await db.query(
    `create table audit.audit_logs_y2020m01 partition of audit.audit_logs for values from ('2020-01-01') to ('2020-02-01')`,
  )
  await db.query(`select core.protect_partition('audit.audit_logs_y2020m01', 'audit.audit_logs')`)
  await db.query(`
    insert into audit.audit_logs (tenant_id, occurred_at, action, schema_name, table_name)
    select id, '2020-01-15', 'export', 'test', 'test' from core.tenants, generate_series(1, 3)`)
  await db.close()

  const pack = await runCliJson(['audit', 'pack'], database.url)
  const verify = await runCliJson(['audit', 'verify'], database.url)

  assert.deepEqual(
    pack.answer.months.map(({ rows, dropped }: { rows: number; dropped: boolean }) => ({ rows, dropped })),
    [{ rows: 6, dropped: true }],
  )
  assert.equal(verify.code, 0)
})
