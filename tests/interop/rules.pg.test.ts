import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'

let clinic: RaceClinic

before(async () => {
  clinic = await openRaceClinic(3)
})
after(() => clinic.close())

test('endpoints: nothing leaves this machine without TLS, and no address or secret column holds credentials', async () => {
  const insert = (columns: Record<string, unknown>) => {
    const row = { address: 'peer.example.org:2575', tls_required: true, secret_ref: null, ...columns }
    return clinic.asSuperuser(
      `insert into interop.endpoints (tenant_id, code, kind, direction, address, tls_required, secret_ref)
       values ($1, $2, 'hl7v2_mllp', 'in', $3, $4, $5)`,
      [clinic.tenant, randomUUID(), row.address, row.tls_required, row.secret_ref],
    )
  }

  await insert({})
  await insert({ tls_required: false, address: '127.0.0.1:2575' })
  await assert.rejects(insert({ tls_required: false }), { constraint: 'endpoints_plain_only_on_this_machine' })
  await assert.rejects(insert({ tls_required: false, address: 'localhost.example.org:1' }), { sqlstate: '23514' })
  await assert.rejects(insert({ address: 'https://user:secret@peer.example.org' }), {
    constraint: 'endpoints_address_without_credentials',
  })
  await assert.rejects(insert({ secret_ref: 'hunter2' }), { constraint: 'endpoints_secret_is_a_reference' })
})

test('emr_connections: https only, never to ourselves, and no open circuit without a time to try again', async () => {
  const insert = (system: string, url: string) =>
    clinic.asSuperuser(
      `insert into interop.emr_connections (tenant_id, name, emr_system, base_url, auth) values ($1, $2, $3, $4, 'mtls')`,
      [clinic.tenant, randomUUID(), system, url],
    )

  await insert('EPIC', 'https://fhir.example.org/r4')
  await assert.rejects(insert('EPIC', 'http://fhir.example.org/r4'), { constraint: 'emr_connections_url_is_https' })
  await assert.rejects(insert('EPIC', 'https://me:pw@fhir.example.org'), { constraint: 'emr_connections_url_is_https' })
  await assert.rejects(insert('INTERNAL', 'https://a.example.org'), {
    constraint: 'emr_connections_to_another_system',
  })
  await assert.rejects(
    clinic.asSuperuser(`update interop.emr_connections set circuit_state = 'open' where tenant_id = $1`, [
      clinic.tenant,
    ]),
    { constraint: 'emr_connections_open_circuit_has_retry' },
  )
})

test('mapping_rules: one active version, never without tests; another tenant’s endpoint is out of reach', async () => {
  const insert = (changes: Record<string, unknown>) => {
    const row = { version: 1, tests: '[{}]', status: 'draft', endpoint: null, ...changes }
    return clinic.asSuperuser(
      `insert into interop.mapping_rules (tenant_id, endpoint_id, message_type, target_table, version, test_messages, status)
       values ($1, $2, 'ADT', 'patient.patients', $3, $4, $5)`,
      [clinic.tenant, row.endpoint, row.version, row.tests, row.status],
    )
  }
  const activate = (version: number) =>
    clinic.asSuperuser(`update interop.mapping_rules set status = 'active' where tenant_id = $1 and version = $2`, [
      clinic.tenant,
      version,
    ])
  await insert({ version: 1 })
  await insert({ version: 2 })
  await insert({ version: 3, tests: '[]' })

  await assert.rejects(insert({ version: 4, status: 'active' }), { sqlstate: 'IM001' })
  await activate(1)
  await assert.rejects(activate(2), { constraint: 'mapping_rules_active_key' })
  await assert.rejects(activate(3), { constraint: 'mapping_rules_active_has_tests' })
  await assert.rejects(insert({ version: 5, endpoint: randomUUID() }), { constraint: 'mapping_rules_endpoint_fkey' })
})

test('an application cannot write messages or states itself', async () => {
  for (const sql of [
    `update interop.hl7_messages set status = 'applied'`,
    `update interop.endpoints set status = 'active'`,
    `update interop.mapping_rules set status = 'active'`,
    `update interop.emr_connections set circuit_state = 'closed'`,
  ]) {
    await assert.rejects(
      clinic.as((tx) => tx.query(sql)),
      { sqlstate: '42501' },
    )
  }
})
