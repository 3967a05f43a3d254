import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { connect, type Database } from '@imhotep/postgres'
import { hospitalDatabase, type TestDatabase } from '../../../tests/support/database.ts'
import { contextOf, makeTenant } from '../../../tests/support/tenants.ts'
import { packAuditLogs } from './audit-archive.ts'
import { sealAudit, verifyAuditChain, type ChainProblem } from './audit-seal.ts'
import { readSealSigner, readSealVerifier } from './seal-signature.ts'
import { withTenant } from './with-tenant.ts'

let database: TestDatabase
let superuser: Database
let tenant: string
let other: string

after(closeDatabase)

async function freshDatabase(): Promise<void> {
  await closeDatabase()
  database = await hospitalDatabase()
  superuser = connect(database.url)
  tenant = await makeTenant(superuser)
  other = await makeTenant(superuser)
  await makeMonth('audit_logs')
}

async function closeDatabase(): Promise<void> {
  await superuser?.close()
  await database?.drop()
}

test('packAuditLogs: every row of every tenant reads as before, the month is gone and the chain verifies', async () => {
  await freshDatabase()
  for (const rows of [400, 1, 899]) {
    await logChanges(tenant, rows)
    await sealAudit(superuser) // seals end within archives
  }
  await logChanges(other, 40)
  const before = [await readMonth(tenant), await readMonth(other)]

  const packed = await packAuditLogs(superuser)

  assert.deepEqual(packed, [
    { partition: 'audit.audit_logs_y2025m03', log: 'audit_logs', tenants: 2, rows: 1340, dropped: true },
  ])
  assert.equal(await countSql('select count(*)::int as n from audit.audit_chain_anchors'), 4)
  assert.deepEqual([await readMonth(tenant), await readMonth(other)], before)
  assert.equal(before[0]?.length, 1300)
  assert.equal(await countSql(`select count(*)::int as n from audit.audit_logs where occurred_at < '2025-04-01'`), 0)
  assert.deepEqual(await chainProblems(), [])
  assert.deepEqual(await packAuditLogs(superuser), [])
})

test('packAuditLogs: packs the log of reads too', async () => {
  await freshDatabase()
  await makeMonth('phi_access_logs')
  await logReads(tenant, 60)
  const before = await superuser.query(`select to_jsonb(l)::text as row from audit.phi_access_logs l order by seq`)

  const [packed] = await packAuditLogs(superuser)

  const afterwards = await inTenant(
    tenant,
    `select to_jsonb(l)::text as row
    from audit.archived_phi_access_logs('2025-03-01Z', '2025-04-01Z') l order by seq`,
  )
  assert.equal(packed?.rows, 0)
  assert.equal(before.length, 60)
  assert.deepEqual(afterwards, before)
  assert.equal(await countSql('select count(*)::int as n from audit.phi_access_logs'), 0)
  assert.deepEqual(await chainProblems(), [])
})

test('get_audit_logs_time_range: filters and limits archived rows as it does those of the log', async () => {
  await freshDatabase()
  await logChanges(tenant, 1300)
  const [{ patient } = { patient: '' }] = await superuser.query<{ patient: string }>(
    `select patient_id as patient from audit.audit_logs where occurred_at > '2025-03-02' limit 1`,
  )
  const questions = [
    `'2025-03-01Z', '2025-04-01Z', '${patient}'`,
    `'2025-03-01Z', '2025-04-01Z', '${randomUUID()}'`,
    `'2025-03-01Z', '2025-04-01Z', null, 'scheduling.appointments', 7`,
    `'2025-03-01Z', '2025-04-01Z', null, null, 25`,
    `'2025-03-01 10:30Z', '2025-03-01 12:00Z'`,
    `'-infinity', 'infinity', null, null, 3`,
  ]
  const ask = (question: string) =>
    inTenant<{ row: string }>(
      tenant,
      `select to_jsonb(l)::text as row from audit.get_audit_logs_time_range(${question}) l`,
    )
  const before = await Promise.all(questions.map(ask))

  await packAuditLogs(superuser)

  assert.deepEqual(await Promise.all(questions.map(ask)), before)
  assert.deepEqual(
    before.map((rows) => rows.length > 0),
    [true, false, true, true, true, true],
  )
})

test('packAuditLogs: a connection that is killed in the middle loses nothing and packs nothing twice', async () => {
  await freshDatabase()
  await logChanges(tenant, 900)
  const before = await readMonth(tenant)
  const month = 'audit.audit_logs_y2025m03'
  await inTenant(tenant, `select audit.seal('audit_logs')`)
  await inTenant(tenant, `select audit.pack_partition('${month}')`) // a day that was committed
  const killed = await superuser.dedicated()
  await killed.script(`begin; select core.begin_request('${tenant}', null, 'system', 'HOPERAT', null);
    select audit.pack_partition('${month}')`) // and one that was not
  await superuser.query('select pg_terminate_backend($1, 10000)', [killed.pid])
  await killed.release().catch(() => undefined)

  const between = await readMonth(tenant)
  const problemsBetween = await chainProblems()
  const [packed] = await packAuditLogs(superuser)

  assert.deepEqual(between, before)
  assert.deepEqual(problemsBetween, [])
  assert.ok(packed !== undefined && packed.rows > 0 && packed.rows < 900, `${packed?.rows} rows`)
  assert.equal(packed.dropped, true)
  assert.deepEqual(await readMonth(tenant), before)
  assert.equal(await countSql('select sum(row_count)::int as n from audit.audit_archives'), 900)
  assert.deepEqual(await chainProblems(), [])
})

test('packAuditLogs: killed while it drops the month, the month is still there', async () => {
  await freshDatabase()
  await logChanges(tenant, 30)
  const before = await readMonth(tenant)
  const month = 'audit.audit_logs_y2025m03'
  await inTenant(tenant, `select audit.seal('audit_logs')`)
  await inTenant(tenant, `select audit.pack_partition('${month}')`)
  const killed = await superuser.dedicated()
  await killed.script(`begin; select audit.drop_packed_partition('${month}')`)
  await superuser.query('select pg_terminate_backend($1, 10000)', [killed.pid])
  await killed.release().catch(() => undefined)

  const between = await readMonth(tenant)
  const forced = await countSql(`select relforcerowsecurity::int as n from pg_class where oid = '${month}'::regclass`)
  await packAuditLogs(superuser)

  assert.deepEqual(between, before)
  assert.equal(forced, 1)
  assert.deepEqual(await readMonth(tenant), before)
})

test('packAuditLogs: two at the same time pack each row once', async () => {
  await freshDatabase()
  await logChanges(tenant, 700)
  const before = await readMonth(tenant)

  // the slower one may find the month gone
  const runs = await Promise.allSettled([packAuditLogs(superuser), packAuditLogs(superuser)])

  assert.ok(runs.some(({ status }) => status === 'fulfilled'))
  assert.equal(await countSql('select sum(row_count)::int as n from audit.audit_archives'), 700)
  assert.deepEqual(await readMonth(tenant), before)
})

test('packAuditLogs: keeps a month with rows that cannot be sealed yet, and finishes it later', async () => {
  await freshDatabase()
  await logChanges(tenant, 20)
  const open = await superuser.dedicated()
  await open.script('begin; select pg_current_xact_id()')
  await logChanges(tenant, 15)
  const before = await readMonth(tenant)

  const [first] = await packAuditLogs(superuser)
  const between = await readMonth(tenant)
  await open.script('commit')
  await open.release()
  const [second] = await packAuditLogs(superuser)

  assert.deepEqual([first?.rows, first?.dropped], [20, false])
  assert.deepEqual(between, before)
  assert.deepEqual([second?.rows, second?.dropped], [15, true])
  assert.deepEqual(await readMonth(tenant), before)
  assert.deepEqual(await chainProblems(), [])
})

const forgeries: { name: string; sql: string; expected: (seqs: number[]) => Partial<ChainProblem>[] }[] = [
  {
    name: 'a row that was changed inside an archive',
    sql: `update audit.audit_archives a set (ids, content) = (
        select e.ids, audit.compress(convert_to(e.content::text, 'UTF8'), a.codec)
        from (
          select array_agg(case when (u.row ->> 'seq')::bigint = a.first_seq
            then u.row - 'tenant_id' || '{"reason": "forged"}' else u.row - 'tenant_id' end) as rows
          from audit.unpack_archive(a) u (row)
        ) r, audit.encode_rows(r.rows) e
      )`,
    expected: ([first = 0]) => [{ seal: 1, seq: first, problem: 'row was changed' }],
  },
  {
    name: 'an archive that was removed',
    sql: 'delete from audit.audit_archives',
    expected: (seqs) => seqs.map((seq) => ({ seal: 1, seq, problem: 'row was removed' })),
  },
  {
    name: 'an archive whose bytes were changed',
    sql: `update audit.audit_archives set content = set_byte(content, 150, get_byte(content, 150) # 255)`,
    expected: (seqs) => [
      ...seqs.map((seq) => ({ seal: 1, seq, problem: 'row was removed' })),
      { seal: 1, seq: null, problem: 'the archive from 2025-03-01 10:00:00 on cannot be unpacked' },
    ],
  },
  {
    name: 'an archive that was given to another tenant',
    sql: 'update audit.audit_archives set tenant_id = (select max(id::text)::uuid from core.tenants where id <> tenant_id)',
    expected: (seqs) => seqs.map((seq) => ({ seal: 1, seq, problem: 'row was removed' })),
  },
]

for (const { name, sql, expected } of forgeries)
  test(`verifyAuditChain: names ${name}`, async () => {
    await freshDatabase()
    await logChanges(tenant, 5)
    const rows = await inTenant<{ seq: number }>(
      tenant,
      `select seq from audit.audit_logs where occurred_at < '2025-04-01' order by seq`,
    )
    await packAuditLogs(superuser)

    await forge(sql)

    assert.deepEqual(await chainProblems(), expected(rows.map(({ seq }) => seq)))
  })

test('archives: nobody changes, deletes or truncates one, the superuser included', async () => {
  await freshDatabase()
  await logChanges(tenant, 5)
  await packAuditLogs(superuser)

  for (const table of ['audit.audit_archives', 'audit.audit_archives_y2025m03', 'audit.audit_archives_default'])
    await assert.rejects(superuser.query(`truncate ${table}`), { sqlstate: 'IM006' }, table)
  for (const statement of ['update audit.audit_archives set row_count = 1', 'delete from audit.audit_archives'])
    await assert.rejects(superuser.query(statement), { sqlstate: 'IM006' }, statement)
})

test('archives: a member of retention_job packs without seeing a row; a reader sees those of its tenant', async () => {
  await freshDatabase()
  await logChanges(tenant, 12)
  await logChanges(other, 8)
  await using job = await loginAs('retention_job')
  await using reader = await loginAs('audit_reader')

  const [packed] = await packAuditLogs(job.db)

  assert.deepEqual([packed?.rows, packed?.dropped], [20, true])
  await assert.rejects(job.db.query('select from audit.audit_archives'), { sqlstate: '42501' })
  const seen = await withTenant(reader.db, contextOf(tenant), (tx) =>
    tx.query<{ n: number }>(`
      select count(*)::int as n from audit.get_audit_logs_time_range('2025-03-01Z', '2025-04-01Z')
      union all
      select sum(row_count)::int from audit.audit_archives`),
  )
  assert.deepEqual(seen, [{ n: 12 }, { n: 12 }])
  assert.deepEqual(await reader.db.query('select from audit.audit_archives'), [])
})

test('archives: an application neither reads nor packs them', async () => {
  await freshDatabase()
  const app = connect(database.appUrl)
  try {
    for (const statement of [
      'select from audit.audit_archives',
      'select from audit.audit_archives_default',
      `select audit.pack_partition('audit.audit_logs_y2025m03')`,
      `select audit.begin_packing('audit.audit_logs_y2025m03')`,
      `select audit.drop_packed_partition('audit.audit_logs_y2025m03')`,
      `select from audit.archived_audit_logs('-infinity', 'infinity')`,
    ])
      await assert.rejects(
        withTenant(app, contextOf(tenant), (tx) => tx.query(statement)),
        { sqlstate: '42501' },
        statement,
      )
  } finally {
    await app.close()
  }
})

test('packAuditLogs: seals with the key of the chain, and leaves to that key what nobody signed', async () => {
  await freshDatabase()
  const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  const signer = readSealSigner(privateKey)
  await using job = await loginAs('retention_job')
  await logChanges(tenant, 10)
  await sealAudit(superuser, signer)
  await logChanges(tenant, 5)

  const [without] = await packAuditLogs(job.db)
  const [withKey] = await packAuditLogs(job.db, { signer })

  assert.deepEqual([without?.rows, without?.dropped], [10, false])
  assert.deepEqual([withKey?.rows, withKey?.dropped], [5, true])
  const [report] = (await verifyAuditChain(superuser, readSealVerifier(publicKey))).filter(
    (chain) => chain.tenant === tenant,
  )
  assert.deepEqual([report?.seals, report?.signedSeals, report?.problems], [2, 2, []])
})

test('packAuditLogs: with the key of contexts it works where only signed contexts do', async () => {
  await freshDatabase()
  await logChanges(tenant, 12)
  await logChanges(other, 8)
  await using job = await loginAs('retention_job')
  const contextKey = { kid: 'jobs', secret: randomBytes(32) }
  await superuser.query('select core.add_context_key($1, $2), core.require_signed_context()', [
    contextKey.kid,
    contextKey.secret,
  ])

  const [packed] = await packAuditLogs(job.db, { contextKey })

  assert.deepEqual([packed?.rows, packed?.dropped], [20, true])
  const reports = await verifyAuditChain(superuser, undefined, contextKey)
  assert.deepEqual(
    reports.flatMap(({ problems }) => problems),
    [],
  )
  const unprotected = await superuser.query(
    `select relname from pg_class
     where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p') and not relforcerowsecurity`,
  )
  assert.deepEqual(unprotected, [])
})

test('packAuditLogs: refuses the last week, and only months of a log can be packed', async () => {
  await freshDatabase()
  await assert.rejects(packAuditLogs(superuser, { olderThan: '6 days' }), { sqlstate: 'IM006' })
  for (const table of ['audit.audit_logs_default', 'audit.audit_logs', 'core.tenants'])
    await assert.rejects(inTenant(tenant, `select audit.pack_partition('${table}')`), { sqlstate: '22023' }, table)
  for (const table of ['audit.audit_chain_anchors', 'audit.audit_logs_default'])
    await assert.rejects(
      superuser.query(`select audit.drop_packed_partition('${table}')`),
      { sqlstate: '22023' },
      table,
    )
})

test('encode_rows: gives back the very text of any row', async () => {
  await freshDatabase()
  const id = randomUUID()
  const values = [
    { a: null, b: 1 },
    { a: '2024-02-29T10:00:00+00:00', b: '2025-02-31T10:00:00+00:00' },
    { a: '2025-03-01T10:00:00+00:00', b: '2025-03-01T10:00:00.120+00:00' },
    { a: '2025-03-01T10:00:00.12+00:00', b: '2025-03-01 10:00:00+00' },
    { a: id, b: id.toUpperCase() },
    { a: id.replaceAll('-', ''), b: 'x' },
    { 'with.dots,and': 'x', '': 'empty', '\u{1f600}': 'गुर्दा' },
    {},
    { a: [], b: { nested: { deeper: [null, { x: 1 }] } } },
    { a: true, b: 'null' },
  ].flatMap((value) => [value, value])
  const literal = `array(
    select jsonb_build_object('seq', n, 'txid', 7, 'new_values', v, 'plain', case n % 2 when 0 then '1.0' else '1.00' end::numeric)
    from jsonb_array_elements($1::jsonb) with ordinality as e (v, n))`

  const [row] = await superuser.query<{ before: string[]; after: string[] }>(
    `select array(select r::text from unnest(${literal}) r order by (r ->> 'seq')::int) as before,
            array(select r::text from audit.encode_rows(${literal}) e, audit.decode_rows(e.ids, e.content) r
                  order by (r ->> 'seq')::int) as after`,
    [values],
  )

  assert.equal(row?.before.length, values.length)
  assert.deepEqual(row.after, row.before)
})

/** March 2025 as a partition, made as core.ensure_partitions makes the months to come. */
async function makeMonth(log: string): Promise<void> {
  await superuser.query(`create table audit.${log}_y2025m03 partition of audit.${log}
    for values from ('2025-03-01Z') to ('2025-04-01Z')`)
  await superuser.query(`select core.protect_partition('audit.${log}_y2025m03', 'audit.${log}')`)
}

/** Inserts and updates of some tables, one every six minutes from ten o'clock on March 1. */
async function logChanges(id: string, count: number): Promise<void> {
  await inTenant(
    id,
    `insert into audit.audit_logs (
       tenant_id, occurred_at, action, schema_name, table_name, row_id, patient_id, old_values, new_values, changed_columns, ip
     )
     select '${id}', timestamptz '2025-03-01 10:00Z' + (g - 1) * interval '6 minutes 1.5 second',
       case g % 3 when 0 then 'update' else 'insert' end, 'scheduling', case g % 3 when 0 then 'appointments' else 'slots' end,
       gen_random_uuid(), gen_random_uuid(),
       case g % 3 when 0 then jsonb_build_object('status', 'booked', 'checked_in_at', null) end,
       case g % 3
         when 0 then jsonb_build_object('status', 'checked_in', 'checked_in_at', now())
         else jsonb_build_object('id', gen_random_uuid(), 'capacity', g, 'fee', 12.50, 'note', 'Slot ' || g)
       end,
       case g % 3 when 0 then array['status', 'checked_in_at'] end,
       ('10.0.0.' || g % 9)::inet
     from generate_series(1, ${count}) g`,
  )
}

async function logReads(id: string, count: number): Promise<void> {
  await inTenant(
    id,
    `insert into audit.phi_access_logs (
       tenant_id, accessed_at, patient_id, resource_type, access_kind, fields, row_count, purpose_of_use
     )
     select '${id}', timestamptz '2025-03-01 10:00Z' + g * interval '1 hour', gen_random_uuid(), 'patient.patients', 'view',
       case when g % 2 = 0 then array['given_name', 'mrn'] end, g, 'TREAT'
     from generate_series(1, ${count}) g`,
  )
}

async function readMonth(id: string): Promise<string[]> {
  const rows = await inTenant<{ row: string }>(
    id,
    `select to_jsonb(l)::text as row from audit.get_audit_logs_time_range('2025-03-01Z', '2025-04-01Z', null, null, 100000) l`,
  )
  return rows.map(({ row }) => row)
}

function inTenant<T>(id: string, sql: string): Promise<T[]> {
  return withTenant(superuser, contextOf(id), (tx) => tx.query<T>(sql))
}

async function chainProblems(): Promise<ChainProblem[]> {
  return (await verifyAuditChain(superuser)).flatMap(({ problems }) => problems)
}

async function countSql(sql: string): Promise<number | undefined> {
  const [row] = await superuser.query<{ n: number }>(sql)
  return row?.n
}

/** A login of its own that is a member of `role`; roles belong to the server, so it is dropped with the block. */
async function loginAs(role: string): Promise<{ db: Database } & AsyncDisposable> {
  const name = `test_${randomBytes(5).toString('hex')}`
  const password = randomBytes(8).toString('hex')
  await superuser.query(`create role ${name} login password '${password}' in role ${role}`)
  const url = new URL(database.url)
  url.username = name
  url.password = password
  const db = connect(url.href)
  return {
    db,
    [Symbol.asyncDispose]: async () => {
      await db.close()
      await superuser.query(`drop role ${name}`)
    },
  }
}

/** Changes archives as only somebody with the server in his hands can: with triggers switched off. */
async function forge(sql: string): Promise<void> {
  const connection = await superuser.dedicated()
  await connection.script(`set session_replication_role = replica; ${sql}`)
  await connection.release()
}
