import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../support/database.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'

let database: TestDatabase
let superuser: Database
let app: Database
let tenant: string

before(async () => {
  database = await hospitalDatabase()
  superuser = connect(database.url)
  app = connect(database.appUrl, { max: 30 })
  tenant = await makeTenant(superuser)
})
after(async () => {
  await app.close()
  await superuser.close()
  await database.drop()
})

test('idempotent_begin: of 30 callers with one key a single one works, the others get its answer', async () => {
  let worked = 0

  const answers = await Promise.all(
    Array.from({ length: 30 }, () =>
      withTenant(app, contextOf(tenant), async (tx) => {
        const [begun] = await tx.query<Begun>(`select * from core.idempotent_begin('test', 'key-of-30', 'same'::bytea)`)
        if (begun?.state === 'done') return begun.response
        worked++
        const answer = { number: worked }
        await tx.query(`select core.idempotent_finish('test', 'key-of-30', $1::jsonb)`, [answer])
        return answer
      }),
    ),
  )

  assert.equal(worked, 1)
  assert.deepEqual(
    answers,
    Array.from({ length: 30 }, () => ({ number: 1 })),
  )
})

test('idempotent_begin: the same key with other content is refused (IM011)', async () => {
  await begin('key-reused', 'one')

  await assert.rejects(begin('key-reused', 'two'), { sqlstate: 'IM011' })
})

test('idempotent_begin: a holder that is still at work is waited for by the caller (IM010), a crashed one replaced', async () => {
  await begin('key-crashed', 'same', '1 hour')
  await assert.rejects(begin('key-crashed', 'same'), { sqlstate: 'IM010' })
  await begin('key-expired', 'same', '0 seconds')

  const again = await begin('key-expired', 'same')

  assert.equal(again?.state, 'new')
})

test('idempotent_begin: a failure may be tried again, and keys are apart between tenants', async () => {
  const other = await makeTenant(superuser)
  await begin('key-failed', 'same')
  await withTenant(app, contextOf(tenant), (tx) =>
    tx.query(`select core.idempotent_finish('test', 'key-failed', null, 'IM101')`),
  )

  const again = await begin('key-failed', 'same')
  const elsewhere = await begin('key-failed', 'different', '1 hour', other)

  assert.equal(again?.state, 'new')
  assert.equal(elsewhere?.state, 'new')
})

interface Begun {
  readonly state: 'new' | 'done'
  readonly response: unknown
}

function begin(key: string, content: string, lease = '30 seconds', id = tenant): Promise<Begun | undefined> {
  return withTenant(app, contextOf(id), async (tx) => {
    const [row] = await tx.query<Begun>(`select * from core.idempotent_begin('test', $1, $2::bytea, $3::interval)`, [
      key,
      Buffer.from(content),
      lease,
    ])
    return row
  })
}
