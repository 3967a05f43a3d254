import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import {
  BreachIncompleteError,
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  NotFoundError,
  NoticeMissingError,
  NotPermittedError,
  ReasonRequiredError,
  RetentionHoldError,
  RetentionMinimumError,
} from '@imhotep/postgres'
import { makeTenant } from '../../../../tests/support/tenants.ts'
import { addPerson, addVisit } from '../clinical/clinical.fixture.ts'
import { mergePatients, proposeMerge } from '../patient/merge.ts'
import {
  addAffectedPerson,
  closeBreach,
  containBreach,
  openBreach,
  recordBreachReport,
  recordPersonNotice,
} from './breaches.ts'
import { useOtherDate } from '../hospital.fixture.ts'
import { addOldPatient, asInstaller, openPrivacyOffice, type PrivacyOffice } from './compliance.fixture.ts'
import { disclosureAccounting, exportPerson } from './disclosures.ts'
import { isUnderHold, placeLegalHold, releaseLegalHold } from './legal-holds.ts'
import {
  beginRequestCheck,
  completeDataRequest,
  confirmRequester,
  escalateDataRequest,
  holdDataRequest,
  openDataRequest,
  rejectDataRequest,
  type DataRequestKind,
} from './requests.ts'
import { keptUntil, pastRetention, runErasure, setRetention } from './retention.ts'

let office: PrivacyOffice

before(async () => {
  office = await openPrivacyOffice()
})
after(() => office.hospital.close())

const hours = (from: Date, to: Date) => (to.getTime() - from.getTime()) / 3_600_000

function ask(kind: DataRequestKind, patientId: string) {
  const input = {
    kind,
    channel: 'desk',
    requesterName: 'The patient',
    detailsEnc: Buffer.from('encrypted'),
    patientId,
    id: randomUUID(),
  }
  return office.asOfficer((tx) => openDataRequest(tx, input))
}

test('requests: each kind has its clock, which runs from receipt to answer', async () => {
  const { asOfficer, hospital } = office
  const patientId = await addPerson(hospital)
  const copy = await ask('record_copy', patientId)
  const grievance = await ask('grievance', patientId)

  assert.equal(hours(copy.receivedAt, copy.dueAt), 72)
  assert.equal(hours(grievance.receivedAt, grievance.dueAt), 90 * 24)
  const input = {
    kind: 'access',
    channel: 'desk',
    requesterName: 'x',
    detailsEnc: Buffer.from('x'),
    id: copy.id,
  } as const
  await assert.rejects(
    asOfficer((tx) => openDataRequest(tx, input)),
    IdempotencyKeyReusedError,
  )
  await assert.rejects(
    asOfficer((tx) => completeDataRequest(tx, { requestId: copy.id, decision: 'granted' })),
    IllegalTransitionError,
  )
  const verifying = await asOfficer((tx) => beginRequestCheck(tx, copy.id))
  assert.deepEqual(await asOfficer((tx) => beginRequestCheck(tx, copy.id)), verifying)
  await asOfficer((tx) => confirmRequester(tx, copy.id))
  const held = await asOfficer((tx) => holdDataRequest(tx, copy.id, 'the scanner is broken'))
  assert.deepEqual([held.status, held.dueAt], ['on_hold', copy.dueAt])
  await asOfficer((tx) => confirmRequester(tx, copy.id))
  const done = await asOfficer((tx) => completeDataRequest(tx, { requestId: copy.id, decision: 'granted' }))
  assert.deepEqual(await asOfficer((tx) => completeDataRequest(tx, { requestId: copy.id, decision: 'refused' })), done)
  assert.equal((await asOfficer((tx) => escalateDataRequest(tx, grievance.id))).escalatedToBoard, true)
  await assert.rejects(
    asOfficer((tx) => rejectDataRequest(tx, grievance.id, '')),
    ReasonRequiredError,
  )
  const rejected = await asOfficer((tx) => rejectDataRequest(tx, grievance.id, 'nobody knows who asked'))
  assert.deepEqual(await asOfficer((tx) => rejectDataRequest(tx, grievance.id, 'x')), rejected)
})

test('requests: a refusal names its basis, and an erasure is granted by erasing alone', async () => {
  const { asOfficer, hospital } = office
  const { id } = await ask('erasure', await addPerson(hospital))
  await asOfficer((tx) => confirmRequester(tx, id))

  await assert.rejects(
    asOfficer((tx) => completeDataRequest(tx, { requestId: id, decision: 'granted' })),
    NotPermittedError,
  )
  await assert.rejects(
    asOfficer((tx) => completeDataRequest(tx, { requestId: id, decision: 'refused' })),
    /data_principal_requests_refused_on_a_basis/,
  )
  const refusal = { requestId: id, decision: 'refused', refusalBasis: 'kept for three years by law' } as const
  assert.equal((await asOfficer((tx) => completeDataRequest(tx, refusal))).decision, 'refused')
})

test('openBreach: clocks of 6 and 72 hours; closed only with all reports, everybody told and the cause known', async () => {
  const { asOfficer, hospital } = office
  const patientId = await addPerson(hospital)
  const input = { nature: 'lost tablet', categories: ['health'], systems: ['tablet'], id: randomUUID() }
  const breach = await asOfficer((tx) => openBreach(tx, input))
  const { id } = breach

  assert.deepEqual(await asOfficer((tx) => openBreach(tx, input)), breach)
  assert.equal(hours(breach.discoveredAt, breach.certInDueAt), 6)
  assert.equal(hours(breach.discoveredAt, breach.boardDueAt), 72)
  const person = await asOfficer((tx) => addAffectedPerson(tx, { breachId: id, patientId, dataCategories: ['health'] }))
  assert.deepEqual(
    await asOfficer((tx) => addAffectedPerson(tx, { breachId: id, patientId, dataCategories: ['health'] })),
    person,
  )
  const employee = await asOfficer((tx) =>
    addAffectedPerson(tx, { breachId: id, personRef: 'E-7', dataCategories: ['contact'] }),
  )
  const cert = await asOfficer((tx) => recordBreachReport(tx, id, 'cert_in'))
  assert.deepEqual(await asOfficer((tx) => recordBreachReport(tx, id, 'cert_in')), cert)
  assert.equal(cert.affectedCount, 2)
  assert.equal((await asOfficer((tx) => containBreach(tx, id, 'wiped'))).status, 'contained')
  assert.equal((await asOfficer((tx) => recordBreachReport(tx, id, 'board_initial'))).status, 'reported')
  await asOfficer((tx) => recordBreachReport(tx, id, 'board_detailed'))
  await assert.rejects(
    asOfficer((tx) => recordBreachReport(tx, id, 'principals')),
    BreachIncompleteError,
  )
  await asOfficer((tx) => recordPersonNotice(tx, person.id))
  await asOfficer((tx) => recordPersonNotice(tx, employee.id, { returned: true }))
  await assert.rejects(
    asOfficer((tx) => closeBreach(tx, id, 'it was left in a taxi')),
    BreachIncompleteError,
  )
  assert.equal((await asOfficer((tx) => recordPersonNotice(tx, employee.id))).returned, false)
  await assert.rejects(
    asOfficer((tx) => closeBreach(tx, id, '')),
    BreachIncompleteError,
  )
  const closed = await asOfficer((tx) => closeBreach(tx, id, 'it was left in a taxi'))
  assert.deepEqual([closed.status, await asOfficer((tx) => closeBreach(tx, id, 'again'))], ['closed', closed])
  assert.ok(closed.principalsNotifiedAt)
  await assert.rejects(
    asOfficer((tx) => addAffectedPerson(tx, { breachId: id, personRef: 'E-8', dataCategories: [] })),
    IllegalTransitionError,
  )
  await assert.rejects(
    asOfficer((tx) => containBreach(tx, randomUUID(), 'x')),
    NotFoundError,
  )
})

test('legal holds: cover what their scope says, and are released by somebody else', async () => {
  const { asOfficer, asColleague, hospital } = office
  const patientId = await addPerson(hospital)
  const input = { reason: 'inspection', scope: { schema: 'laboratory', table: 'samples' }, id: randomUUID() }
  const hold = await asOfficer((tx) => placeLegalHold(tx, input))
  const held = (question: Parameters<typeof isUnderHold>[1]) => asOfficer((tx) => isUnderHold(tx, question))

  assert.deepEqual(await asOfficer((tx) => placeLegalHold(tx, input)), hold)
  assert.equal(await held({ schema: 'laboratory', table: 'samples', rowId: randomUUID(), patientId }), true)
  assert.equal(await held({ schema: 'laboratory', table: 'lab_orders', patientId }), false)
  assert.equal(await held({ patientId }), true, 'something of the patient may be in that table')
  await assert.rejects(
    asOfficer((tx) => releaseLegalHold(tx, hold.id, 'over')),
    NotPermittedError,
  )
  await assert.rejects(
    asColleague((tx) => releaseLegalHold(tx, hold.id, '')),
    ReasonRequiredError,
  )
  const released = await asColleague((tx) => releaseLegalHold(tx, hold.id, 'over'))
  assert.deepEqual(await asColleague((tx) => releaseLegalHold(tx, hold.id, 'over')), released)
  assert.equal(await held({ patientId }), false)
  await assert.rejects(
    asOfficer((tx) => placeLegalHold(tx, { reason: 'nothing' })),
    /legal_holds_cover_something/,
  )
})

test('setRetention: a tenant keeps longer than the law, not shorter', async () => {
  const { asOfficer } = office
  const input = {
    class: 'medical_record',
    keepFor: '5 years',
    startsFrom: 'last_encounter',
    action: 'crypto_shred',
    basis: 'board',
  } as const

  await assert.rejects(
    asOfficer((tx) => setRetention(tx, { ...input, class: 'financial', keepFor: '6 years' })),
    RetentionMinimumError,
  )
  const policy = await asOfficer((tx) => setRetention(tx, input))
  assert.equal((await asOfficer((tx) => setRetention(tx, { ...input, keepFor: '6 years' }))).id, policy.id)
})

test('runErasure: on request, destroys keys and names, proves it, and answers the same when repeated', async () => {
  const { asOfficer, hospital } = office
  const { id: patientId, kid } = await addOldPatient(hospital)
  const { id: requestId } = await ask('erasure', patientId)
  await assert.rejects(
    asOfficer((tx) => runErasure(tx, { requestId })),
    IllegalTransitionError,
  )
  await asOfficer((tx) => confirmRequester(tx, requestId))

  const erased = await asOfficer((tx) => runErasure(tx, { requestId }))

  assert.deepEqual(
    erased.map(({ table, action, rowCount }) => `${table} ${action} ${rowCount}`),
    [
      'core.encryption_keys crypto_shred 1',
      'patient.patient_contacts anonymise 0',
      'patient.patient_identifiers anonymise 0',
      'patient.patients anonymise 1',
    ],
  )
  assert.equal(erased[0]?.keyKidDestroyed, kid)
  // before PostgreSQL 18 ids of one millisecond have no order
  const again = await asOfficer((tx) => runErasure(tx, { requestId }))
  assert.deepEqual(new Set(again), new Set(erased))
  const [left] = await asInstaller(hospital, (tx) =>
    tx.query<{ name: string; key: Buffer | null; request: string }>(
      `select p.given_name as name, k.wrapped_key as key, r.status as request
       from patient.patients p, core.encryption_keys k, compliance.data_principal_requests r
       where p.id = $1 and k.kid = $2 and r.id = $3`,
      [patientId, kid, requestId],
    ),
  )
  assert.deepEqual(left, { name: 'Erased', key: null, request: 'completed' })
})

test('runErasure: refuses under a hold, before the legal minimum, and without notice to who can be reached', async () => {
  const { asOfficer, asColleague, hospital } = office
  const { patientId: recent } = await addVisit(hospital)
  const held = await addOldPatient(hospital)
  const reachable = await addOldPatient(hospital, { reachable: true })
  const { id: policyId } = await asOfficer((tx) =>
    setRetention(tx, {
      class: 'medical_record',
      keepFor: '5 years',
      startsFrom: 'last_encounter',
      action: 'crypto_shred',
      basis: 'board',
    }),
  )
  const hold = await asOfficer((tx) => placeLegalHold(tx, { reason: 'dispute', patientId: held.id }))
  const erase = (patientId: string, noticeId?: string) =>
    asOfficer((tx) => runErasure(tx, { policyId, patientId, ...(noticeId ? { noticeId } : {}) }))

  await assert.rejects(erase(held.id), RetentionHoldError)
  await assert.rejects(erase(recent), RetentionMinimumError)
  await assert.rejects(erase(reachable.id), NoticeMissingError)
  await assert.rejects(erase(randomUUID()), NotFoundError)
  await assert.rejects(
    asOfficer((tx) => runErasure(tx, { policyId: randomUUID(), patientId: held.id })),
    NotFoundError,
  )
  const due = await asOfficer((tx) => pastRetention(tx, policyId))
  assert.deepEqual(
    due.map(({ patientId }) => patientId),
    [reachable.id],
  )

  const noticeId = await addNotice(reachable.id, 1)
  await assert.rejects(erase(reachable.id, noticeId), NoticeMissingError, 'told yesterday')
  assert.equal((await erase(reachable.id, await addNotice(reachable.id, 49))).length, 4)
  await asColleague((tx) => releaseLegalHold(tx, hold.id, 'settled'))
  assert.equal((await erase(held.id)).length, 4)
  assert.ok(((await asOfficer((tx) => keptUntil(tx, recent)))?.getTime() ?? 0) > Date.now())
})

/** A message that was sent to the patient so many hours ago. */
async function addNotice(patientId: string, ago: number): Promise<string> {
  const id = randomUUID()
  const { hospital } = office
  await asInstaller(hospital, async (tx) => {
    await tx.query(`set local session_replication_role = replica`) // the past cannot be written otherwise
    await tx.query(
      `insert into communication.notifications (
         tenant_id, id, recipient_type, recipient_id, purpose, payload_enc, dedupe_key, status, expires_at, updated_at
       )
       values ($1, $2::uuid, 'patient', $3, 'service', '\\x01', ($2::uuid)::text, 'sent', now() + interval '1 day', now() - make_interval(hours => $4))`,
      [hospital.tenant, id, patientId, ago],
    )
  })
  return id
}

test('exportPerson: every row of a person, found by keys, and no row of anybody else', async () => {
  const { asOfficer, hospital } = office
  const { patientId, encounterId } = await addVisit(hospital)
  const { patientId: other } = await addVisit(hospital)
  await ask('access', patientId)

  const { tables, not_readable: closed, row_count: count } = await asOfficer((tx) => exportPerson(tx, patientId))

  assert.deepEqual(closed, [])
  assert.deepEqual(Object.keys(tables).toSorted(), [
    'clinical.care_team_members',
    'clinical.encounters',
    'compliance.data_principal_requests',
    'patient.patients',
  ])
  assert.equal(count, 4)
  assert.equal(tables['clinical.encounters']?.[0]?.['id'], encounterId)
  assert.ok(!JSON.stringify(tables).includes(other))
  await assert.rejects(
    asOfficer((tx) => exportPerson(tx, randomUUID())),
    NotFoundError,
  )
})

test('disclosureAccounting: lists what left the hospital, and not what was read inside', async () => {
  const { asOfficer, hospital } = office
  const patientId = await addPerson(hospital)
  await asOfficer(async (tx) => {
    await tx.query(`select audit.log_access('Patient', $1, $1, 'view')`, [patientId])
    await tx.query(`select audit.log_disclosure('Patient', $1, $1, 'District hospital', 'referral')`, [patientId])
  })

  const account = await asOfficer((tx) => disclosureAccounting(tx, patientId))

  assert.deepEqual(
    account.map(({ recipient, legalBasis, userId }) => [recipient, legalBasis, userId]),
    [['District hospital', 'referral', hospital.users[0]]],
  )
  assert.deepEqual(await asOfficer((tx) => disclosureAccounting(tx, patientId, { to: new Date('2020-01-01') })), [])
})

/** Two records of one person of long ago, merged. */
async function addMergedPatients(): Promise<{
  survivor: { id: string; kid: string }
  duplicate: { id: string; kid: string }
}> {
  const { hospital } = office
  const [survivor, duplicate] = [await addOldPatient(hospital), await addOldPatient(hospital)]
  const pair = { survivorId: survivor.id, duplicateId: duplicate.id, reason: 'same person' }
  await hospital.run((tx) => proposeMerge(tx, pair))
  await hospital.run((tx) => mergePatients(tx, survivor.id, duplicate.id), { user: hospital.users[1] })
  return { survivor, duplicate }
}

test('runErasure: merged records go together, and a hold on any of them keeps them all', async () => {
  const { asOfficer, asColleague, hospital } = office
  const { survivor, duplicate } = await addMergedPatients()
  const hold = await asOfficer((tx) => placeLegalHold(tx, { reason: 'dispute', patientId: duplicate.id }))
  const { id: requestId } = await ask('erasure', survivor.id)
  await asOfficer((tx) => confirmRequester(tx, requestId))

  await assert.rejects(
    asOfficer((tx) => runErasure(tx, { requestId })),
    RetentionHoldError,
  )
  assert.equal(await asOfficer((tx) => isUnderHold(tx, { patientId: survivor.id })), true)
  await asColleague((tx) => releaseLegalHold(tx, hold.id, 'settled'))
  const erased = await asOfficer((tx) => runErasure(tx, { requestId }))

  assert.deepEqual(
    new Set(erased.map(({ keyKidDestroyed }) => keyKidDestroyed)),
    new Set([survivor.kid, duplicate.kid, null]),
  )
  // before PostgreSQL 18 ids of one millisecond have no order
  const again = await asOfficer((tx) => runErasure(tx, { requestId }))
  assert.deepEqual(new Set(again), new Set(erased))
  const names = await asInstaller(hospital, (tx) =>
    tx.query('select distinct given_name as name from patient.patients where id = any ($1::uuid[])', [
      [survivor.id, duplicate.id],
    ]),
  )
  assert.deepEqual(names, [{ name: 'Erased' }])
})

test('erasure_log: nothing of a person is proved erased while another of their records is held', async () => {
  const { asOfficer, asColleague, hospital } = office
  const { survivor, duplicate } = await addMergedPatients()
  const hold = await asOfficer((tx) => placeLegalHold(tx, { reason: 'dispute', patientId: duplicate.id }))
  const { id: requestId } = await ask('erasure', survivor.id)

  await assert.rejects(
    asInstaller(hospital, (tx) =>
      tx.query(
        `insert into compliance.erasure_log (tenant_id, request_id, patient_ref_hash, schema_name, table_name, row_count, action, executed_by)
         values ($1, $2, compliance.patient_ref_hash($1, $3), 'patient', 'patients', 1, 'erase', 'test')`,
        [hospital.tenant, requestId, survivor.id],
      ),
    ),
    RetentionHoldError,
  )
  await asColleague((tx) => releaseLegalHold(tx, hold.id, 'settled'))
})

test('keptUntil: a late visit under a merged record keeps the whole person', async () => {
  const { asOfficer, hospital } = office
  const { survivor, duplicate } = await addMergedPatients()
  const kept = async () => (await asOfficer((tx) => keptUntil(tx, survivor.id)))?.getTime() ?? 0
  assert.ok((await kept()) < Date.now())
  await asInstaller(hospital, (tx) =>
    tx.query(
      `insert into clinical.encounters (tenant_id, encounter_number, patient_id, clinic_id, department_id, class, period)
       values ($1, 'LATE', $2, $3, $4, 'AMB', tstzrange(now(), null))`,
      [hospital.tenant, duplicate.id, hospital.clinicId, hospital.departmentId],
    ),
  )

  assert.ok((await kept()) > Date.now())
})

test('disclosureAccounting: what left the hospital under a merged record is listed as well', async () => {
  const { asOfficer } = office
  const { survivor, duplicate } = await addMergedPatients()
  await asOfficer((tx) =>
    tx.query(`select audit.log_disclosure('Patient', $1, $1, 'District hospital', 'referral')`, [duplicate.id]),
  )

  const account = await asOfficer((tx) => disclosureAccounting(tx, survivor.id))

  assert.deepEqual(
    account.map(({ recipient }) => recipient),
    ['District hospital'],
  )
})

test('shred_key: the key of a person under hold is not destroyed, whoever asks', async () => {
  const { asOfficer, asColleague, hospital } = office
  const { id: patientId, kid } = await addOldPatient(hospital)
  const hold = await asOfficer((tx) => placeLegalHold(tx, { reason: 'dispute', patientId }))
  const shred = () => asInstaller(hospital, (tx) => tx.query(`select core.shred_key($1, 'test')`, [kid]))

  await assert.rejects(shred(), RetentionHoldError)
  await asColleague((tx) => releaseLegalHold(tx, hold.id, 'settled'))
  await assert.doesNotReject(shred())
})

test('drop_expired_partitions: a month of the log is kept while a hold is active of a tenant that has rows in it', async () => {
  const { asOfficer, asColleague, hospital } = office
  const { admin, tenant } = hospital
  const other = await makeTenant(admin)
  for (const [month, owner] of [
    ['2014-01', tenant],
    ['2014-02', other],
  ] as const) {
    const name = `audit_logs_y${month.replace('-', 'm')}`
    await admin.query(`create table audit.${name} partition of audit.audit_logs
      for values from ('${month}-01Z') to ('${month}-28Z')`)
    await admin.query(`select core.protect_partition('audit.${name}', 'audit.audit_logs')`)
    await asInstaller(hospital, (tx) =>
      tx.query(
        `insert into audit.audit_logs (tenant_id, occurred_at, action, schema_name, table_name)
         values ($1, '${month}-05Z', 'update', 'patient', 'patients')`,
        [owner],
      ),
    )
  }
  const drop = async () =>
    (await admin.query<{ names: string[] }>('select audit.drop_expired_partitions() as names'))[0]?.names
  const hold = await asOfficer((tx) => placeLegalHold(tx, { reason: 'dispute', scope: { schema: 'laboratory' } }))

  assert.deepEqual(await drop(), ['audit.audit_logs_y2014m02'])
  await asColleague((tx) => releaseLegalHold(tx, hold.id, 'settled'))
  assert.deepEqual(await drop(), ['audit.audit_logs_y2014m01'])
})

test('setRetention: another start does not shorten what the law says, and the change is logged', async () => {
  const { asOfficer, hospital } = office
  const { id: patientId } = await addOldPatient(hospital)
  await asInstaller(hospital, (tx) =>
    tx.query(
      `insert into clinical.encounters (tenant_id, encounter_number, patient_id, clinic_id, department_id, class, period)
       values ($1, 'RECENT', $2, $3, $4, 'AMB', tstzrange(now(), null))`,
      [hospital.tenant, patientId, hospital.clinicId, hospital.departmentId],
    ),
  )
  const policy = { class: 'medical_record', keepFor: '3 years', action: 'crypto_shred', basis: 'board' } as const

  const { id } = await asOfficer((tx) => setRetention(tx, { ...policy, startsFrom: 'created' }))
  const kept = await asOfficer((tx) => keptUntil(tx, patientId))
  await asOfficer((tx) => setRetention(tx, { ...policy, startsFrom: 'last_encounter' }))

  assert.ok((kept?.getTime() ?? 0) > Date.now())
  const logged = await hospital.admin.query<{ columns: string[] }>(
    `select changed_columns as columns from audit.audit_logs where row_id = $1 and action = 'update' order by occurred_at desc limit 1`,
    [id],
  )
  assert.ok(logged[0]?.columns.includes('starts_from'))
})

test('exportPerson: asked by any of the merged records, it is the whole person', async () => {
  const { asOfficer } = office
  const { survivor, duplicate } = await addMergedPatients()
  const idsOf = async (patientId: string) => {
    const { tables } = await asOfficer((tx) => exportPerson(tx, patientId))
    return (tables['patient.patients'] ?? []).map((row) => row['id'])
  }

  assert.deepEqual(await idsOf(duplicate.id), [survivor.id, duplicate.id].toSorted())
  assert.deepEqual(await idsOf(survivor.id), await idsOf(duplicate.id))
})

test('keptUntil: majority begins where the tenant is', async () => {
  const { asOfficer, hospital } = office
  const { id: patientId } = await addOldPatient(hospital)
  await useOtherDate(hospital)
  await asInstaller(hospital, (tx) =>
    tx.query(`update patient.patients set birth_date = '2010-06-01' where id = $1`, [patientId]),
  )
  await asOfficer((tx) =>
    setRetention(tx, {
      class: 'medical_record',
      keepFor: '90 years',
      startsFrom: 'majority_age',
      action: 'crypto_shred',
      basis: 'Test',
    }),
  )
  const [expected] = await asOfficer((tx) =>
    tx.query<{ until: Date }>(
      `select (p.birth_date + interval '18 years') at time zone core.tenant_zone() + interval '90 years' as until
       from patient.patients p where p.id = $1`,
      [patientId],
    ),
  )

  assert.deepEqual(await asOfficer((tx) => keptUntil(tx, patientId)), expected?.until)
})
