import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import { UsageError } from '@imhotep/base'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { contextOf, makeTenant } from '../../../tests/support/tenants.ts'
import { signContext, type ContextKey } from './sign-context.ts'
import { withTenant, type RequestContext } from './with-tenant.ts'

let database: TestDatabase
let superuser: Database
let app: Database
let tenant: string
let other: string
let key: ContextKey

before(async () => {
  database = await hospitalDatabase()
  superuser = connect(database.url)
  app = connect(database.appUrl, { max: 2 })
  tenant = await makeTenant(superuser)
  other = await makeTenant(superuser)
})
after(async () => {
  await app.close()
  await superuser.close()
  await database.drop()
})

beforeEach(async () => {
  key = { kid: `k${randomUUID()}`, secret: randomBytes(32) }
  await superuser.query('select core.add_context_key($1, $2)', [key.kid, key.secret])
  await superuser.query('select core.require_signed_context()')
})

const notSigned = { sqlstate: 'IM014', code: 'IMH_CONTEXT_NOT_SIGNED' }
const tenants = `select id from core.tenants order by id`
const seenBy = (context: RequestContext) => withTenant(app, context, (tx) => tx.query(tenants))

test('signContext: a signed context works as one does where no signature is required', async () => {
  const signed = signContext(contextOf(tenant), key)
  const task = signContext(contextOf(other.toUpperCase(), { user: null, role: '', details: { service: 'relay' } }), key)

  assert.deepEqual(await seenBy(signed), [{ id: tenant }])
  assert.deepEqual(await seenBy(task), [{ id: other }])
  await superuser.query('select core.accept_unsigned_context()')
  assert.deepEqual(await seenBy(signed), [{ id: tenant }])
  assert.deepEqual(await seenBy(contextOf(other)), [{ id: other }])
})

test('signContext: sessions that are open are held to it at once, also with plans that they have made', async () => {
  await superuser.query('select core.accept_unsigned_context()')
  const session = await app.dedicated()
  await session.script(
    `prepare mine as ${tenants}; set plan_cache_mode = force_generic_plan; set app.tenant_id = '${tenant}'`,
  )
  assert.deepEqual(await session.query('execute mine'), [{ id: tenant }])

  await superuser.query('select core.require_signed_context()')

  await assert.rejects(session.query('execute mine'), notSigned)
  await session.release()
})

test('signContext: without a tenant nothing is seen, as ever', async () => {
  assert.deepEqual(await app.query(tenants), [])
})

for (const [what, change] of [
  ['no signature', ({ tenant, user, role, purpose }) => ({ tenant, user, role, purpose })],
  ['another tenant', (context) => ({ ...context, tenant: other })],
  ['another user', (context) => ({ ...context, user: randomUUID() })],
  ['no user', (context) => ({ ...context, user: null })],
  ['another role', (context) => ({ ...context, role: 'administrator' })],
  ['another purpose', (context) => ({ ...context, purpose: 'BTG' })],
  ['another request', (context) => ({ ...context, requestId: randomUUID() })],
  [
    'a time that was put off',
    (context) => ({ ...context, signature: context.signature?.replace(/\.\d+\./, '.99999999999.') ?? '' }),
  ],
  [
    'a time that is none',
    (context) => ({ ...context, signature: context.signature?.replace(/\.\d+\./, '.never.') ?? '' }),
  ],
  ['a part too many', (context) => ({ ...context, signature: `${context.signature}.` })],
  ['half of it', (context) => ({ ...context, signature: context.signature?.slice(0, -1) ?? '' })],
  ['a text', (context) => ({ ...context, signature: 'signed' })],
  ['an unknown key', (context) => signContext(context, { ...key, kid: 'unknown' })],
  ['another secret', (context) => signContext(context, { ...key, secret: randomBytes(32) })],
  ['a signature that is too old', (context) => signContext(context, key, { seconds: -1 })],
] satisfies [string, (context: RequestContext) => RequestContext][]) {
  test(`signContext: ${what} is refused when the request begins`, async () => {
    const signed = signContext(contextOf(tenant), key)
    assert.deepEqual(await seenBy(signed), [{ id: tenant }])

    const changed = change(signed)

    await assert.rejects(seenBy(changed), notSigned)
  })
}

for (const injected of [
  `set_config('app.tenant_id', '%', true)`,
  `set_config('app.tenant_id', '%', false)`,
  `set_config('app.role', 'administrator', true)`,
  `set_config('app.user_id', '%', true)`,
  `set_config('app.purpose', 'BTG', true)`,
  `set_config('app.signature', '', true)`,
  `set_config('app.purpose', 'TREAT' || chr(10) || 'doc', true), set_config('app.role', 'tor', true)`,
]) {
  test(`signContext: after an injected ${injected} nothing is read or written`, async () => {
    for (const next of [tenants, `select core.setting('x')`, `select core.next_number('a', 'b')`]) {
      const attempt = withTenant(app, signContext(contextOf(tenant), key), async (tx) => {
        await tx.query(`select ${injected.replaceAll('%', other)}`)
        return tx.query(next)
      })
      await assert.rejects(attempt, notSigned, next)
    }
  })
}

test('signContext: an injected begin_request of another tenant needs a signature of its own', async () => {
  const attempt = withTenant(app, signContext(contextOf(tenant), key), async (tx) => {
    await tx.query(`select set_config('app.tenant_id', '', true)`)
    await tx.query('select core.begin_request($1, null, $2, $3, null)', [other, 'doctor', 'TREAT'])
  })

  await assert.rejects(attempt, notSigned)
})

test('signContext: a retired key signs no more, and the last one stays', async () => {
  const next = { kid: `n${randomUUID()}`, secret: randomBytes(32) }
  await superuser.query('select core.add_context_key($1, $2)', [next.kid, next.secret])
  await superuser.query('select core.retire_context_key($1)', [key.kid])

  await assert.rejects(seenBy(signContext(contextOf(tenant), key)), notSigned)
  assert.deepEqual(await seenBy(signContext(contextOf(tenant), next)), [{ id: tenant }])
  await assert.rejects(superuser.query('select core.retire_context_key($1)', [key.kid]), { sqlstate: 'IM005' })
  await superuser.query('update core.context_keys set retired_at = now() where kid <> $1', [next.kid])
  await assert.rejects(superuser.query('select core.retire_context_key($1)', [next.kid]), { sqlstate: 'IM006' })
})

test('signContext: an application neither reads keys nor switches signatures off', async () => {
  for (const statement of [
    'select * from core.context_keys',
    `insert into core.context_keys values ('mine', decode(repeat('00', 32), 'hex'))`,
    `select core.add_context_key('mine', decode(repeat('00', 32), 'hex'))`,
    `select core.retire_context_key('${key.kid}')`,
    'select core.accept_unsigned_context()',
    'select core.require_signed_context()',
    'create or replace function core.context_is_signed() returns boolean language sql immutable return false',
  ])
    await assert.rejects(
      withTenant(app, signContext(contextOf(tenant), key), (tx) => tx.query(statement)),
      { sqlstate: '42501' },
      statement,
    )
})

test('core.signed_tenant_id: every role that may touch a table with rows of tenants may ask for the tenant', async () => {
  const roles = await superuser.query(
    `select distinct r.rolname
     from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
     cross join lateral (select c.relowner as role union select g.grantee from aclexplode(c.relacl) g) holder
     join pg_roles r on r.oid = holder.role
     where not has_function_privilege(r.oid, 'core.signed_tenant_id()', 'execute')`,
  )

  assert.deepEqual(roles, [])
})

test('core.require_signed_context: wants a key first', async () => {
  await superuser.query('select core.accept_unsigned_context()')
  await superuser.query('delete from core.context_keys')

  await assert.rejects(superuser.query('select core.require_signed_context()'), { sqlstate: 'IM005' })
})

test('core.add_context_key: refuses a short secret and a name that is taken', async () => {
  await assert.rejects(superuser.query(`select core.add_context_key('short', '\\x00')`), { sqlstate: '23514' })
  await assert.rejects(superuser.query('select core.add_context_key($1, $2)', [key.kid, key.secret]), {
    sqlstate: '23505',
  })
})

test('signContext: refuses a short key, and a role of two lines', () => {
  assert.throws(() => signContext(contextOf(tenant), { ...key, secret: randomBytes(31) }), UsageError)
  assert.throws(() => signContext(contextOf(tenant, { role: 'doctor\nx' }), key), UsageError)
})
