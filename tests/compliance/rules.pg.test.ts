import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { giveConsent, placeLegalHold } from '@imhotep/domain'
import type { Transaction } from '@imhotep/postgres'
import { addPerson } from '../../packages/domain/src/clinical/clinical.fixture.ts'
import {
  addChild,
  addDocument,
  asInstaller,
  openPrivacyOffice,
  type PrivacyOffice,
} from '../../packages/domain/src/compliance/compliance.fixture.ts'

// Around the operations: what the tables themselves refuse, whoever writes.

let office: PrivacyOffice

before(async () => {
  office = await openPrivacyOffice()
})
after(() => office.hospital.close())

const installer = <T>(work: (tx: Transaction) => Promise<T>) => asInstaller(office.hospital, work)
const run = (sql: string, params: unknown[] = []) =>
  installer((tx) => tx.query(sql, [office.hospital.tenant, ...params]))

test('consents: a minor does not consent, and a consent does not change hands later', async () => {
  const { id, parent } = await addChild(office.hospital, true)
  const insert = `insert into compliance.consents (tenant_id, patient_id, kind, decision, given_by) values ($1, $2, 'treatment', 'permit', $3)`

  await assert.rejects(run(insert, [id, 'patient']), { sqlstate: 'IM913' })
  await assert.rejects(run(insert, [id, 'spouse']), { sqlstate: 'IM913' })
  await office.asOfficer((tx) =>
    giveConsent(tx, { patientId: id, kind: 'treatment', givenBy: 'guardian', contactId: parent }),
  )
  await assert.rejects(run(`update compliance.consents set given_by = 'patient' where tenant_id = $1`), {
    sqlstate: 'IM913',
  })
})

test('consents: of those to data processing one is in force', async () => {
  const patientId = await addPerson(office.hospital)
  const insert = `
    insert into compliance.consents (tenant_id, patient_id, kind, decision, given_by, given_at)
    values ($1, $2, 'marketing', 'permit', 'patient', now() + $3 * interval '1 second')`
  await run(insert, [patientId, 1])
  await run(insert, [patientId, 2])

  await assert.rejects(
    run(`update compliance.consents set status = 'active' where tenant_id = $1 and patient_id = $2`, [patientId]),
    { constraint: 'consents_one_standing' },
  )
})

test('consent_notices, erasure_log and compliance_checks: written once, whoever tries', async () => {
  await run(
    `insert into compliance.consent_notices (tenant_id, code, locale, purpose, body, withdrawal_how, complaint_how)
     values ($1, 'care', 'en', '{care}', 'Text', 'Ask.', 'Ask.')`,
  )
  for (const statement of [
    `update compliance.consent_notices set body = 'Other' where tenant_id = $1`,
    `delete from compliance.consent_notices where tenant_id = $1`,
  ])
    await assert.rejects(run(statement), { sqlstate: 'IM006' })
  for (const table of ['consent_notices', 'erasure_log', 'compliance_checks'])
    await assert.rejects(office.hospital.admin.query(`truncate compliance.${table} cascade`), { sqlstate: 'IM006' })
})

test('requests: copies of records within 72 hours, grievances within 90 days, whatever the setting says', async () => {
  const insert = `
    insert into compliance.data_principal_requests (tenant_id, request_number, requester_name, kind, channel, due_at, details_enc)
    values ($1, 'R', 'x', $2, 'desk', now() + $3::interval, '\\x01')`

  await assert.rejects(run(insert, ['record_copy', '73 hours']), {
    constraint: 'data_principal_requests_record_copy_in_72_hours',
  })
  await assert.rejects(run(insert, ['grievance', '91 days']), {
    constraint: 'data_principal_requests_grievance_in_90_days',
  })
  await assert.rejects(run(insert, ['access', '-1 days']), {
    constraint: 'data_principal_requests_due_after_receipt',
  })
})

test('breaches: not closed while somebody is not told or a report is missing', async () => {
  await run(
    `insert into compliance.breaches (tenant_id, breach_number, discovered_at, nature) values ($1, 'B', now(), 'x')`,
  )
  await run(
    `insert into compliance.breach_affected_persons (tenant_id, breach_id, person_ref)
     select $1, id, 'E-1' from compliance.breaches where tenant_id = $1`,
  )
  for (const status of ['contained', 'reported'])
    await run(`update compliance.breaches set status = $2 where tenant_id = $1`, [status])
  const close = `update compliance.breaches set status = 'closed' where tenant_id = $1`

  await assert.rejects(run(close), { sqlstate: 'IM915' })
  await run(`update compliance.breach_affected_persons set notified_at = now() where tenant_id = $1`)
  await assert.rejects(run(close), { constraint: 'breaches_closed_when_all_is_done' })
  await assert.rejects(
    run(`update compliance.breaches set cert_in_due_at = now() where tenant_id = $1`),
    /can only be updated to DEFAULT/,
  )
})

test('retention_policies: the legal minimums hold for shared rows and tenants alike', async () => {
  const insert = (tenant: string, approved: string) => `
    insert into compliance.retention_policies (tenant_id, class, basis, keep_for, starts_from, action, approved_by)
    values (${tenant}, $2, 'x', $3::interval, 'created', 'erase', ${approved})`
  const shared = insert('nullif($1::uuid, $1)', 'null')
  const own = insert('$1', `'${office.hospital.users[0]}'`)

  await assert.rejects(run(shared, ['medical_record', '2 years']), {
    constraint: 'retention_policies_medical_record_3_years',
  })
  await assert.rejects(run(shared, ['audit', '6 years']), { constraint: 'retention_policies_audit_7_years' })
  await assert.rejects(run(shared, ['notes', '11 months']), { constraint: 'retention_policies_nothing_before_a_year' })
  await assert.rejects(run(own, ['financial', '7 years']), { sqlstate: 'IM911' })
  await assert.rejects(run(insert('$1', 'null'), ['notes', '2 years']), {
    constraint: 'retention_policies_decided_by_somebody',
  })
})

test('legal_holds: released by another person; nothing that they cover enters the log of erasures', async () => {
  const { users } = office.hospital
  const patientId = await addPerson(office.hospital)
  await office.asOfficer((tx) => placeLegalHold(tx, { reason: 'dispute', patientId }))
  const log = (notice: string) => `
    insert into compliance.erasure_log (
      tenant_id, policy_id, patient_ref_hash, schema_name, table_name, row_count, action, notice_sent_at, executed_by
    )
    select $1, r.id, compliance.patient_ref_hash($1, $2), 'patient', 'patients', 1, 'anonymise', ${notice}, 'test'
    from compliance.retention_policies r where r.tenant_id is null and r.class = 'medical_record'`

  await assert.rejects(
    installer(async (tx) => {
      await tx.query(`select core.set_reason('settled')`)
      await tx.query(`update compliance.legal_holds set status = 'released', released_at = now(), released_by = $1`, [
        users[0],
      ])
    }),
    { constraint: 'legal_holds_released_by_another' },
  )
  await assert.rejects(run(log(`now() - interval '3 days'`), [patientId]), { sqlstate: 'IM910' })
  const free = await addPerson(office.hospital)
  await assert.rejects(run(log(`now() - interval '47 hours'`), [free]), {
    constraint: 'erasure_log_notice_48_hours_before',
  })
  await assert.rejects(run(log('null'), [free]), { constraint: 'erasure_log_policy_with_notice' })
})

test('data_processors: active only under a signed contract', async () => {
  await run(
    `insert into compliance.data_processors (tenant_id, name, service, country, contract_kind) values ($1, 'A', 'b', 'IN', 'DPA')`,
  )
  await assert.rejects(run(`update compliance.data_processors set status = 'active' where tenant_id = $1`), {
    constraint: 'data_processors_active_under_contract',
  })
  await run(
    `update compliance.data_processors set status = 'active', signed_on = current_date, contract_document_id = $2 where tenant_id = $1`,
    [await addDocument(office.hospital)],
  )
})

test('compliance: applications read, and write by operations alone', async () => {
  for (const table of ['consents', 'legal_holds', 'erasure_log', 'retention_policies', 'breaches', 'incidents'])
    for (const statement of [`insert into compliance.${table} default values`, `delete from compliance.${table}`])
      await assert.rejects(
        office.asOfficer((tx) => tx.query(statement)),
        { sqlstate: '42501' },
      )
})
