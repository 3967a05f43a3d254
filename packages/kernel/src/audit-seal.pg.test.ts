import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { contextOf, makeTenant } from '../../../tests/support/tenants.ts'
import { sealAudit, verifyAuditChain, type ChainProblem } from './audit-seal.ts'
import { readSealSigner, readSealVerifier } from './seal-signature.ts'
import { withTenant } from './with-tenant.ts'

let database: TestDatabase
let superuser: Database
let tenant: string

after(closeDatabase)

async function freshDatabase(): Promise<void> {
  await closeDatabase()
  database = await hospitalDatabase()
  superuser = connect(database.url)
  tenant = await makeTenant(superuser)
}

async function closeDatabase(): Promise<void> {
  await superuser?.close()
  await database?.drop()
}

test('sealAudit: seals each row once, and an untouched chain verifies', async () => {
  await freshDatabase()
  await logEvents(10)
  const first = await sealAudit(superuser)
  await logEvents(5)
  const second = await sealAudit(superuser)
  const third = await sealAudit(superuser)

  const [report] = await verifyAuditChain(superuser)

  assert.deepEqual([first[0]?.rows, second[0]?.rows, third[0]?.rows], [10, 5, 0])
  assert.deepEqual(report?.problems, [])
  assert.equal(report?.seals, 2)
  assert.equal(report?.sealedRows, 15)
  assert.equal(report?.unsealedRows, 0)
})

test('sealAudit: leaves the rows behind an open transaction for the next seal', async () => {
  await freshDatabase()
  const open = await superuser.dedicated()
  await open.script('begin; select pg_current_xact_id()')
  await logEvents(3)

  const during = await sealAudit(superuser)
  await open.script('commit')
  await open.release()
  const afterwards = await sealAudit(superuser)

  assert.equal(during[0]?.rows, 0)
  assert.equal(afterwards[0]?.rows, 3)
})

const forgeries: { name: string; sql: string; expected: Partial<ChainProblem>[] }[] = [
  {
    name: 'a changed row',
    sql: `update audit.audit_logs set reason = 'forged' where seq = 2`,
    expected: [{ seal: 1, seq: 2, problem: 'row was changed' }],
  },
  {
    name: 'a removed row',
    sql: 'delete from audit.audit_logs where seq = 3',
    expected: [{ seal: 1, seq: 3, problem: 'row was removed' }],
  },
  {
    name: 'a row that was slipped in',
    sql: `insert into audit.audit_logs (tenant_id, txid, seq, action, schema_name, table_name)
          select tenant_id, txid, 1000, 'update', 'x', 'y' from audit.audit_logs where seq = 1`,
    expected: [{ seal: 1, seq: 1000, problem: 'row was slipped in' }],
  },
  {
    name: 'two rows that changed places',
    sql: "update audit.audit_logs set seq = case seq when 1 then 2 else 1 end, occurred_at = occurred_at + seq * interval '1 us' where seq in (1, 2)",
    expected: [
      { seal: 1, seq: 1, problem: 'row was changed' },
      { seal: 1, seq: 2, problem: 'row was changed' },
    ],
  },
  {
    name: 'a seal that was removed from the middle',
    sql: 'delete from audit.audit_chain_anchors where seal_no = 1',
    expected: [{ seal: 2, seq: null, problem: 'a seal before this one is missing' }],
  },
  {
    name: 'a seal that was written anew for changed rows',
    sql: `update audit.audit_chain_anchors set root = sha256('forged'), digest = audit.seal_digest(
            prev_digest, sha256('forged'), row_count, seal_no, from_txid, to_txid) where seal_no = 1`,
    expected: [
      { seal: 1, seq: null, problem: 'rows were reordered, or the leaves of the seal were changed with them' },
      { seal: 2, seq: null, problem: 'does not follow the seal before it' },
    ],
  },
]

for (const { name, sql, expected } of forgeries)
  test(`verifyAuditChain: names ${name}`, async () => {
    await freshDatabase()
    await logEvents(5)
    await sealAudit(superuser)
    await logEvents(5)
    await sealAudit(superuser)

    await forge(sql)

    const [report] = await verifyAuditChain(superuser)
    assert.deepEqual(report?.problems, expected)
  })

function makeKey() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  return { signer: readSealSigner(privateKey), publicPem: publicKey }
}

test('sealAudit: signs each seal, also after a change of the key, and vouches for those before the first', async () => {
  await freshDatabase()
  const [old, renewed] = [makeKey(), makeKey()]
  for (const signer of [undefined, old.signer, renewed.signer]) {
    await logEvents(3)
    await sealAudit(superuser, signer)
  }

  const [both] = await verifyAuditChain(superuser, readSealVerifier(old.publicPem + renewed.publicPem))
  const [one] = await verifyAuditChain(superuser, readSealVerifier(renewed.publicPem))
  const [none] = await verifyAuditChain(superuser)

  assert.deepEqual([both?.seals, both?.signedSeals, both?.sealedRows, both?.problems], [3, 2, 9, []])
  assert.deepEqual(one?.problems, [{ seal: 2, seq: null, problem: `the public key ${old.signer.kid} was not given` }])
  assert.deepEqual([none?.signedSeals, none?.problems], [null, []])
})

const rewrites: { name: string; sql: string; sign: 'other' | 'no'; problem: string }[] = [
  { name: 'without signature', sign: 'no', sql: '', problem: 'no seal is signed' },
  {
    name: 'with the old signature',
    sign: 'no',
    sql: `update audit.audit_chain_anchors a set signature = o.signature, key_kid = o.key_kid from old_seals o`,
    problem: 'the signature is of something else',
  },
  { name: 'with a key of his own', sign: 'other', sql: '', problem: 'was not given' },
  {
    name: 'with a key of his own under the name of ours',
    sign: 'other',
    sql: `update audit.audit_chain_anchors a set key_kid = o.key_kid from old_seals o`,
    problem: 'the signature is of something else',
  },
]

for (const { name, sql, sign, problem } of rewrites)
  test(`verifyAuditChain: finds a chain that a superuser made anew ${name}`, async () => {
    await freshDatabase()
    const ours = makeKey()
    await logEvents(4)
    await sealAudit(superuser, ours.signer)

    await forge(
      `create table old_seals as select * from audit.audit_chain_anchors;
       delete from audit.audit_logs where seq = 2; delete from audit.audit_chain_anchors`,
    )
    await sealAudit(superuser, sign === 'other' ? makeKey().signer : undefined)
    if (sql !== '') await forge(sql)

    const [blind] = await verifyAuditChain(superuser)
    const [report] = await verifyAuditChain(superuser, readSealVerifier(ours.publicPem))
    assert.deepEqual(blind?.problems, [])
    assert.equal(report?.problems.length, 1)
    assert.match(report?.problems[0]?.problem ?? '', new RegExp(problem))
  })

test('verifyAuditChain: names a seal without signature behind a signed one', async () => {
  await freshDatabase()
  const ours = makeKey()
  for (let seal = 1; seal <= 2; seal++) {
    await logEvents(2)
    await sealAudit(superuser, ours.signer)
  }
  await forge('update audit.audit_chain_anchors set signature = null, key_kid = null where seal_no = 2')

  const [report] = await verifyAuditChain(superuser, readSealVerifier(ours.publicPem))

  assert.deepEqual(report?.problems, [{ seal: 2, seq: null, problem: 'is not signed, although a seal before it is' }])
})

test('sealAudit: puts no seal without signature behind a signed one', async () => {
  await freshDatabase()
  const ours = makeKey()
  await logEvents(2)
  await sealAudit(superuser, ours.signer)
  await logEvents(2)

  await assert.rejects(sealAudit(superuser), { sqlstate: 'IM006' })

  const [report] = await verifyAuditChain(superuser, readSealVerifier(ours.publicPem))
  assert.deepEqual([report?.seals, report?.unsealedRows, report?.problems], [1, 2, []])
})

for (const status of ['suspended', 'closing'])
  test(`sealAudit, verifyAuditChain: look after a tenant that is ${status} too`, async () => {
    await freshDatabase()
    await logEvents(3)
    await superuser.query('update core.tenants set status = $1 where id = $2', [status, tenant])

    const [sealed] = await sealAudit(superuser)
    await forge(`delete from audit.audit_logs where seq = 2`)

    const [report] = await verifyAuditChain(superuser)
    assert.equal(sealed?.rows, 3)
    assert.deepEqual(report?.problems, [{ seal: 1, seq: 2, problem: 'row was removed' }])
  })

test('sealAudit, verifyAuditChain: with the key of contexts they work where only signed contexts do', async () => {
  await freshDatabase()
  await logEvents(3)
  const key = { kid: 'jobs', secret: randomBytes(32) }
  await superuser.query('select core.add_context_key($1, $2), core.require_signed_context()', [key.kid, key.secret])

  await assert.rejects(sealAudit(superuser), { sqlstate: 'IM014' })
  const [sealed] = await sealAudit(superuser, undefined, key)
  const [report] = await verifyAuditChain(superuser, undefined, key)

  assert.deepEqual([sealed?.rows, report?.sealedRows, report?.problems], [3, 3, []])
})

test('audit.seal_signed: takes no range that can still grow, and no signature that is none', async () => {
  await freshDatabase()
  await logEvents(1)
  const sign = (toTxid: string, signature: string) =>
    withTenant(superuser, contextOf(tenant), (tx) =>
      tx.query(`select audit.seal_signed('audit_logs', ${toTxid}, ${signature}, 'kid')`),
    )

  await assert.rejects(sign('9223372036854775807', `decode(repeat('00', 64), 'hex')`), { sqlstate: '40001' })
  await assert.rejects(sign(`pg_snapshot_xmin(pg_current_snapshot())::text::bigint`, `'\\x00'`), {
    constraint: 'audit_chain_anchors_signature_whole',
  })
})

test('readSealSigner, readSealVerifier: refuse what is no Ed25519 key', () => {
  const rsa = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  for (const pem of ['', 'a secret', rsa.privateKey, rsa.publicKey]) {
    assert.throws(() => readSealSigner(pem), { code: 'IMH_USAGE', message: /^the file holds no Ed25519 private key/ })
    assert.throws(() => readSealVerifier(pem), { code: 'IMH_USAGE', message: /^the file holds no Ed25519 public key/ })
  }
})

test('the rollups count every event once, sealed or not', async () => {
  await freshDatabase()
  await logEvents(7)
  await sealAudit(superuser)
  await logEvents(4)

  const counted = await withTenant(superuser, contextOf(tenant), (tx) =>
    tx.query<{ events: number }>(
      `select sum(events)::int as events from audit.audit_metrics_hourly where tenant_id = $1
       union all
       select sum(events)::int from audit.audit_compliance_daily where tenant_id = $1`,
      [tenant],
    ),
  )

  assert.deepEqual(
    counted.map((row) => row.events),
    [11, 11],
  )
})

async function logEvents(count: number): Promise<void> {
  for (let index = 0; index < count; index++)
    await withTenant(superuser, contextOf(tenant), (tx) =>
      tx.query(`select audit.log_event('export', 'test', 'test', null)`),
    )
}

/** Changes the log as only somebody with the server in his hands can: with triggers switched off. */
async function forge(sql: string): Promise<void> {
  const connection = await superuser.dedicated()
  await connection.script(`set session_replication_role = replica; ${sql}`)
  await connection.release()
}
