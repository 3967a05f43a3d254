import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import { connect, type Database, type Transaction } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../support/database.ts'
import { contextOf, makeTenant } from '../support/tenants.ts'

let database: TestDatabase
let superuser: Database
let tenant: string

before(async () => {
  database = await hospitalDatabase()
  superuser = connect(database.url)
  tenant = await makeTenant(superuser)
})
after(async () => {
  await superuser.close()
  await database.drop()
})

interface Keys {
  readonly field?: string
  readonly index?: string
  readonly of?: string
}

/** A tool's transaction, with the keys of its session. */
function withKeys<T>({ field = '', index = '', of = tenant }: Keys, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return withTenant(superuser, contextOf(of), async (tx) => {
    await tx.query(`select set_config('app.field_key', $1, true), set_config('app.index_key', $2, true)`, [
      field,
      index,
    ])
    return work(tx)
  })
}

async function encrypt(plain: string, field: string): Promise<Buffer> {
  const [row] = await withKeys({ field }, (tx) =>
    tx.query<{ cipher: Buffer }>('select core.encrypt_text($1) as cipher', [plain]),
  )
  return row!.cipher
}

async function blindIndex(plain: string, keys: Keys): Promise<string> {
  const [row] = await withKeys(keys, (tx) =>
    tx.query<{ bidx: string }>(`select encode(core.blind_index($1), 'hex') as bidx`, [plain]),
  )
  return row!.bidx
}

test('encrypt_text: the same key reads it, another does not; the cipher differs each time and holds no plain text', async () => {
  const cipher = await encrypt('+919800000001', 'first key')
  const again = await encrypt('+919800000001', 'first key')

  const read = (field: string) =>
    withKeys({ field }, (tx) => tx.query('select core.decrypt_text($1) as plain', [cipher]))

  assert.deepEqual(await read('first key'), [{ plain: '+919800000001' }])
  await assert.rejects(read('second key'), { sqlstate: '39000' })
  assert.notDeepEqual(cipher, again)
  assert.equal(cipher.includes('9800000001'), false)
})

test('decrypt_text: is written to the audit log', async () => {
  const cipher = await encrypt('secret', 'key')
  const reader = randomUUID()

  await withTenant(superuser, contextOf(tenant, { user: reader }), async (tx) => {
    await tx.query(`select set_config('app.field_key', 'key', true)`)
    await tx.query('select core.decrypt_text($1)', [cipher])
  })

  const logged = await superuser.query('select action, table_name from audit.audit_logs where actor_user_id = $1', [
    reader,
  ])
  assert.deepEqual(logged, [{ action: 'export', table_name: 'decrypt_text' }])
})

test('blind_index: finds the same value whatever its case and blanks, in one tenant, under one key', async () => {
  const other = await makeTenant(superuser)

  const found = await blindIndex('Asha@Example.org', { index: 'key' })

  assert.equal(await blindIndex('  asha@example.org ', { index: 'key' }), found)
  assert.notEqual(await blindIndex('asha@example.com', { index: 'key' }), found)
  assert.notEqual(await blindIndex('asha@example.org', { index: 'another key' }), found)
  assert.notEqual(await blindIndex('asha@example.org', { index: 'key', of: other }), found)
})

test('encryption: is off without the keys of a session (IM006)', async () => {
  const attempts = [`core.encrypt_text('x')`, `core.decrypt_text('\\x00')`, `core.blind_index('x')`]

  for (const attempt of attempts)
    await assert.rejects(
      withKeys({}, (tx) => tx.query(`select ${attempt}`)),
      { sqlstate: 'IM006' },
    )
})

test('encryption: no application may call it', async () => {
  const app = connect(database.appUrl)
  const attempts = [
    `core.encrypt_text('x')`,
    `core.decrypt_text('\\x00')`,
    `core.blind_index('x')`,
    `core.shred_key('k', 'r')`,
  ]

  for (const attempt of attempts)
    await assert.rejects(
      withTenant(app, contextOf(tenant), (tx) => tx.query(`select ${attempt}`)),
      { sqlstate: '42501' },
    )
  await app.close()
})

test('shred_key: the wrapped key is gone for good, and only once', async () => {
  const [key] = await withKeys({}, (tx) =>
    tx.query<{ kid: string }>(
      `insert into core.encryption_keys (tenant_id, kid, purpose, algorithm, wrapped_key, kms_ref, rotate_after)
       values ($1, 'shred-me', 'field', 'AES-256-GCM', '\\x01', 'kms://test/1', now() + interval '1 year') returning kid`,
      [tenant],
    ),
  )
  const shred = () => withKeys({}, (tx) => tx.query('select core.shred_key($1, $2)', [key!.kid, 'asked by the person']))

  await shred()

  assert.deepEqual(
    await superuser.query('select status, wrapped_key, destroy_reason from core.encryption_keys where kid = $1', [
      key!.kid,
    ]),
    [{ status: 'destroyed', wrapped_key: null, destroy_reason: 'asked by the person' }],
  )
  await assert.rejects(shred(), { sqlstate: 'IM005' })
})

test('data keys: an application makes them and changes none; whoever rotates them leaves a trace without the key', async () => {
  const app = connect(database.appUrl)
  const asApp = (sql: string) => withTenant(app, contextOf(tenant), (tx) => tx.query(sql))
  try {
    await asApp(
      `insert into core.encryption_keys (tenant_id, kid, purpose, algorithm, wrapped_key, kms_ref, rotate_after)
       values (core.current_tenant_id(), 'token-1', 'token', 'AES-256-GCM', '\\xfeed', 'kms://test/1', now() + interval '1 year')`,
    )
    for (const change of [
      `status = 'destroyed', wrapped_key = null, destroyed_at = now()`,
      `wrapped_key = '\\x00'`,
      `status = 'retiring'`,
    ])
      await assert.rejects(asApp(`update core.encryption_keys set ${change} where kid = 'token-1'`), {
        sqlstate: '42501',
      })
  } finally {
    await app.close()
  }
  const keep = (sql: string) => withKeys({}, (tx) => tx.query(sql))

  await keep(`select core.rewrap_key('token-1', '\\xbeef', 'kms://test/2')`)
  await keep(`select core.replace_key('token-1', 'token-2', '\\xcafe', 'kms://test/2', now() + interval '1 year')`)
  await assert.rejects(keep(`select core.rewrap_key('nowhere', '\\x01', 'kms://test/2')`), { sqlstate: 'IM005' })
  await assert.rejects(keep(`select core.retire_key('token-2')`), { sqlstate: 'IM005' })
  await keep(`select core.retire_key('token-1')`)
  await assert.rejects(keep(`select core.shred_key('token-1', ' ')`), { sqlstate: 'IM002' })
  await keep(`select core.shred_key('token-1', 'rotated')`)

  assert.deepEqual(
    await superuser.query(
      `select kid, purpose, status, kms_ref from core.encryption_keys where tenant_id = $1 and kid like 'token-%' order by kid`,
      [tenant],
    ),
    [
      { kid: 'token-1', purpose: 'token', status: 'destroyed', kms_ref: 'kms://test/2' },
      { kid: 'token-2', purpose: 'token', status: 'active', kms_ref: 'kms://test/2' },
    ],
  )
  const logged = await superuser.query<{ action: string; row: string }>(
    `select l.action, l.old_values::text || l.new_values::text as row
     from audit.audit_logs l join core.encryption_keys k on k.id = l.row_id and k.kid = 'token-1'
     where l.table_name = 'encryption_keys' and l.action = 'update'`,
  )
  assert.equal(logged.length, 4)
  assert.ok(!/beef|feed/.test(JSON.stringify(logged)))
})
