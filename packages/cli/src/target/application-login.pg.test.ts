import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect } from '@imhotep/postgres'
import { hospitalDatabase } from '../../../../tests/support/database.ts'
import { credentialsFile, readCredentials } from '../project/credentials.ts'
import { applicationUrl, ensureApplicationLogin } from './application-login.ts'

/** The role is the whole server's: other tests log in with the password that it had. */
async function keepPassword(t: TestContext, url: string): Promise<void> {
  const db = connect(url, { max: 1 })
  const [role] = await db.query<{ verifier: string }>(
    `select rolpassword as verifier from pg_authid where rolname = 'imhotep_app'`,
  )
  t.after(async () => {
    await db.query(`alter role imhotep_app password '${role?.verifier}'`)
    await db.close()
  })
}

test('ensureApplicationLogin: calls at once leave one password, that works', async (t) => {
  const database = await hospitalDatabase()
  await keepPassword(t, database.url)
  t.after(() => database.drop())
  const state = mkdtempSync(join(tmpdir(), 'imhotep-login-'))
  t.after(() => rmSync(state, { recursive: true }))
  const db = connect(database.url, { max: 4 })

  const results = await Promise.all(
    [1, 2, 3, 4].map(() => ensureApplicationLogin(db, database.url, { state, replace: true })),
  )

  await db.close()
  const url = new URL(applicationUrl(database.url))
  url.password = encodeURIComponent(readCredentials(credentialsFile(state))?.password.reveal() ?? '')
  const app = connect(url.href, { max: 1 })
  assert.deepEqual(await app.query('select current_user'), [{ current_user: 'imhotep_app' }])
  await app.close()
  assert.deepEqual(results.toSorted(), ['already there', 'already there', 'already there', 'new'])
})

test('ensureApplicationLogin: a server that does not answer is told, and no password is made', async (t) => {
  const database = await hospitalDatabase()
  await keepPassword(t, database.url)
  t.after(() => database.drop())
  const state = mkdtempSync(join(tmpdir(), 'imhotep-login-'))
  t.after(() => rmSync(state, { recursive: true }))
  const db = connect(database.url, { max: 1 })
  await ensureApplicationLogin(db, database.url, { state, replace: true })
  const before = readCredentials(credentialsFile(state))?.password.reveal()
  const nowhere = new URL(database.url)
  nowhere.port = '1'

  const attempt = ensureApplicationLogin(db, nowhere.href, { state, replace: true })

  await assert.rejects(attempt, { code: 'IMH_CONNECTION_FAILED' })
  assert.equal(readCredentials(credentialsFile(state))?.password.reveal(), before)
  await db.close()
})

test('applicationUrl: keeps how the connection is encrypted, and the brackets of an address', () => {
  const url = applicationUrl('postgres://me:geheim@[::1]:5433/his?sslmode=verify-full&sslrootcert=system&user=x')

  assert.equal(url, 'postgresql://imhotep_app@[::1]:5433/his?sslmode=verify-full&sslrootcert=system')
})
