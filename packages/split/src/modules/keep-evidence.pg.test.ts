import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { testServer } from '../../../../tests/support/server.ts'
import { deprovisionServiceDatabase, provisionServiceDatabase } from '../postgres/provision.ts'
import { keepEvidence } from './keep-evidence.ts'

test('keepEvidence: a database with an audit log gets another name, and the service can have a new one', async () => {
  const url = await testServer()
  const database = `evidence_${randomBytes(4).toString('hex')}`
  const { adminUrl } = await provisionServiceDatabase(url, { database })
  const db = connect(adminUrl.reveal(), { max: 1, applicationName: 'imhotep split' })
  await db.query('create schema audit')
  await db.query('create table audit.audit_logs (id int)')
  const empty = await keepEvidence(url, database)
  await db.query('insert into audit.audit_logs values (7)')
  await db.close()

  const kept = await keepEvidence(url, database)
  await deprovisionServiceDatabase(url, database, [])
  await provisionServiceDatabase(url, { database })

  assert.equal(empty, null)
  const old = new URL(url)
  old.pathname = `/${kept}`
  const evidence = connect(old.href)
  assert.deepEqual(await evidence.query('select id from audit.audit_logs'), [{ id: 7 }])
  await evidence.close()
  await deprovisionServiceDatabase(url, database, [])
  const server = connect(url)
  await server.query(`drop database "${kept}"`)
  await server.close()
})
