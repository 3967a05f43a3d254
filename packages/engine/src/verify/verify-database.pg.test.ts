import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../../../../tests/support/database.ts'
import { isVerified, verifyDatabase } from './verify-database.ts'

describe('verifyDatabase', () => {
  let database: TestDatabase
  let db: Database

  before(async () => {
    database = await hospitalDatabase()
    db = connect(database.url)
  })

  after(async () => {
    await db.close()
    await database.drop()
  })

  test('finds no error in the schema as it is built', async () => {
    const report = await verifyDatabase(db)

    assert.deepEqual(
      report.findings.filter(({ severity }) => severity === 'error').map(({ message }) => message),
      [],
    )
    assert.ok(report.checks > 1000 && report.tables > 10, `${report.checks} checks, ${report.tables} tables`)
    assert.ok(isVerified(report))
  })

  test('gives findings in the shape that tools are built on', async () => {
    await db.query('create table public_notes (id int)')
    await db.query('create schema extra')
    await db.query('create table extra.notes (tenant_id uuid, id int)')

    const report = await verifyDatabase(db)

    const finding = report.findings.find(({ rule, object }) => rule === 'rls-enabled' && object === 'extra.notes')
    assert.deepEqual(Object.keys(report).toSorted(), ['attack', 'checks', 'findings', 'ms', 'tables'])
    assert.deepEqual(Object.keys(finding ?? {}), [
      'rule',
      'family',
      'severity',
      'file',
      'line',
      'column',
      'object',
      'message',
      'related',
      'help',
      'fix',
    ])
    assert.equal(finding?.fix, 'alter table extra.notes enable row level security;')
    assert.ok(!isVerified(report))
    await db.query('drop schema extra cascade')
    await db.query('drop table public_notes')
  })

  test('attacks when it is asked to', async () => {
    const report = await verifyDatabase(db, { attack: 'quick' })

    assert.deepEqual(report.attack?.through, [])
    assert.ok((report.attack?.attempts ?? 0) > 100)
  })

  test('attacks as the role that it is given, and as no other', async () => {
    const report = await verifyDatabase(db, { attack: { mode: 'quick', roles: ['kernel_app'] } })

    const roles = new Set(report.attack?.untested.map(({ attempt }) => attempt.split(':')[0]))
    assert.deepEqual([...roles], ['kernel_app'])
  })
})
