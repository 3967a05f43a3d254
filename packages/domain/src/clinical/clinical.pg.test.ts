import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { stateNoKnownAllergies } from './allergies.ts'
import { useOtherDate, withHospital } from '../hospital.fixture.ts'
import { mergePatients, proposeMerge } from '../patient/merge.ts'
import { addPerson, addStay, addVisit, asAdmin, openWardHospital, type WardHospital } from './clinical.fixture.ts'
import { recordImplant } from './implants.ts'
import {
  amendImagingReport,
  noteCriticalTold,
  reportImagingStudy,
  verifyImagingReport,
  type ImagingReport,
} from './imaging-reports.ts'
import { moveImagingStudy, registerImagingStudy } from './imaging-studies.ts'
import {
  amendMedicalRecord,
  cosignMedicalRecord,
  discardMedicalRecord,
  markMedicalRecordInError,
  signMedicalRecord,
  writeMedicalRecord,
  type MedicalRecord,
} from './medical-records.ts'
import { amendObservation, recordObservation } from './observations.ts'
import { completeOrder, holdOrder, placeOrder, resumeOrder, revokeOrder, type ServiceOrder } from './orders.ts'
import {
  abandonProcedure,
  completeProcedure,
  planProcedure,
  recordIncision,
  signInProcedure,
  signOutProcedure,
  timeOutProcedure,
} from './procedures.ts'
import { giveVaccination, refuseVaccination } from './vaccinations.ts'
import { news2, recordVitalSigns } from './vital-signs.ts'

let hospital: WardHospital
before(async () => {
  hospital = await openWardHospital()
})
after(() => hospital.close())

test('stateNoKnownAllergies: one row, which an allergy ends; beside an allergy it is refused (23514)', async () => {
  const { patientId } = await addVisit(hospital)
  const stated = await twice((tx) => stateNoKnownAllergies(tx, patientId))

  await hospital.run((tx) =>
    tx.query(
      `insert into clinical.allergies (tenant_id, patient_id, kind, category, code, display, recorded_by)
       values ($1, $2, 'allergy', 'medication', 'penicillin', 'Penicillin', $3)`,
      [hospital.tenant, patientId, hospital.staff[0]],
    ),
  )

  assert.equal(stated.clinicalStatus, 'active')
  const [row] = await hospital.run((tx) =>
    tx.query('select status, active_allergies::int from clinical.allergy_status where patient_id = $1', [patientId]),
  )
  assert.deepEqual(row, { status: 'allergies', active_allergies: 1 })
  await assert.rejects(
    hospital.run((tx) => stateNoKnownAllergies(tx, patientId)),
    { sqlstate: '23514', constraint: 'allergies_none_known_contradicts' },
  )
})

test('recordVitalSigns: scored, recorded once for an id, corrected by a new set', async () => {
  const { patientId, encounterId } = await addVisit(hospital)
  const values = {
    temperatureC: 38.5,
    pulse: 112,
    respRate: 22,
    systolic: 98,
    diastolic: 60,
    spo2: 93,
    onOxygen: false,
    consciousness: 'A',
  } as const
  const input = { patientId, encounterId, values, measuredAt: new Date(), id: randomUUID() }

  const first = await twice((tx) => recordVitalSigns(tx, input))
  const corrected = await hospital.run((tx) =>
    recordVitalSigns(tx, { patientId, encounterId, values: { ...values, pulse: 88 }, replacesId: first.id }),
  )

  assert.equal(first.news2, 1 + 2 + 2 + 2 + 2)
  assert.equal(corrected.news2, 7)
  const chart = await hospital.run((tx) =>
    tx.query('select id, pulse from clinical.vital_signs_chart where patient_id = $1', [patientId]),
  )
  assert.deepEqual(chart, [{ id: corrected.id, pulse: 88 }])
  await assert.rejects(
    hospital.run((tx) => recordVitalSigns(tx, { ...input, id: randomUUID(), replacesId: randomUUID() })),
    { sqlstate: 'IM005' },
  )
})

test('news2: worked examples of the Royal College; null when a part is missing', async () => {
  const well = {
    respRate: 14,
    spo2: 98,
    onOxygen: false,
    systolic: 120,
    pulse: 70,
    consciousness: 'A',
    temperatureC: 36.8,
  } as const
  const score = (changes: object) => hospital.run((tx) => news2(tx, { ...well, ...changes }))

  assert.equal(await score({}), 0)
  assert.equal(await score({ respRate: 25, spo2: 91, onOxygen: true, consciousness: 'C' }), 3 + 3 + 2 + 3)
  assert.equal(await score({ spo2: 90, spo2Scale: 2 }), 0)
  assert.equal(await score({ spo2: 98, spo2Scale: 2, onOxygen: true }), 3 + 2)
  assert.equal(await score({ temperatureC: 39.1, pulse: 131, systolic: 220 }), 2 + 3 + 3)
  assert.equal(await score({ pulse: null }), null)
})

test('amendObservation: a new row stands, the old one says that it was amended', async () => {
  const { patientId, encounterId } = await addVisit(hospital)
  const input = {
    patientId,
    encounterId,
    category: 'exam',
    codeSystem: 'http://loinc.org',
    code: '29463-7',
    display: 'Body weight',
    value: { num: 7, unit: 'kg' },
    id: randomUUID(),
  } as const
  const first = await twice((tx) => recordObservation(tx, input))

  const amended = await twice((tx) => amendObservation(tx, first.id, { num: 70, unit: 'kg' }, 'typing error'))

  assert.equal(amended.replacesId, first.id)
  const rows = await hospital.admin.query(
    'select value_num::int, status from clinical.observations where patient_id = $1 order by value_num',
    [patientId],
  )
  assert.deepEqual(rows, [
    { value_num: 7, status: 'amended' },
    { value_num: 70, status: 'final' },
  ])
})

test('medical record: signed by its author, cosigned by the named senior, then nobody changes it (IM006)', async () => {
  const note = await draftNote()

  await assert.rejects(
    hospital.run((tx) => signMedicalRecord(tx, note.id), { user: hospital.users[1] }),
    { sqlstate: 'IM006' },
  )
  const signed = await twice((tx) => signMedicalRecord(tx, note.id))
  const cosigned = await twice((tx) => cosignMedicalRecord(tx, note.id), hospital.users[1])

  assert.equal(signed.signedBy, hospital.staff[0])
  assert.notEqual(cosigned.cosignedAt, null)
  await assert.rejects(
    hospital.run((tx) => tx.query(`update clinical.medical_records set title = 'Other' where id = $1`, [note.id])),
    { sqlstate: 'IM006' },
  )
  await assert.rejects(
    hospital.run((tx) => discardMedicalRecord(tx, note.id)),
    { sqlstate: 'IM001' },
  )
})

test('amendMedicalRecord: the addendum counts from its signature on; a draft is not amended (IM001)', async () => {
  const note = await draftNote()
  const addendum = {
    recordId: note.id,
    contentEnc: Buffer.from('encrypted again'),
    contentHash: Buffer.alloc(32, 1),
    reason: 'left side, not right',
    id: randomUUID(),
  }
  await assert.rejects(
    hospital.run((tx) => amendMedicalRecord(tx, addendum)),
    { sqlstate: 'IM001' },
  )
  await hospital.run((tx) => signMedicalRecord(tx, note.id))

  const draft = await twice((tx) => amendMedicalRecord(tx, addendum))
  const before = await statusOf(note.id)
  await hospital.run((tx) => signMedicalRecord(tx, draft.id))

  assert.equal(draft.amendsId, note.id)
  assert.equal(`${before} ${await statusOf(note.id)}`, 'signed amended')
})

test('medical record: a draft is discarded by its author, a signed one becomes an error of who signed it', async () => {
  const [draft, note] = [await draftNote(), await draftNote()]
  await hospital.run((tx) => signMedicalRecord(tx, note.id))

  const discarded = await twice((tx) => discardMedicalRecord(tx, draft.id))
  await assert.rejects(
    hospital.run((tx) => markMedicalRecordInError(tx, note.id, 'wrong patient'), { user: hospital.users[1] }),
    { sqlstate: 'IM006' },
  )
  const error = await twice((tx) => markMedicalRecordInError(tx, note.id, 'wrong patient'))

  assert.equal(`${discarded.status} ${error.status}`, 'discarded entered_in_error')
})

test('orders: placed once for an id, held, resumed, completed; revoking needs a reason (IM002)', async () => {
  const { encounterId } = await addVisit(hospital)
  const id = randomUUID()

  const placed = await twice((tx) => placeOrder(tx, { ...imaging(encounterId), id }))
  await twice((tx) => holdOrder(tx, id, 'patient ate'))
  await twice((tx) => resumeOrder(tx, id))
  const completed = await twice((tx) => completeOrder(tx, id))

  assert.equal(placed.requesterId, hospital.staff[0])
  assert.equal(completed.status, 'completed')
  await assert.rejects(
    hospital.run((tx) => revokeOrder(tx, id, 'too late')),
    { sqlstate: 'IM001' },
  )
  const other = await hospital.run((tx) => placeOrder(tx, imaging(encounterId)))
  await assert.rejects(
    hospital.run((tx) => revokeOrder(tx, other.id, ' ')),
    { sqlstate: 'IM002' },
  )
  const revoked = await twice((tx) => revokeOrder(tx, other.id, 'not needed'))
  assert.equal(revoked.status, 'revoked')
})

test('surgery: no sign-in without consent (IM006), no incision before time-out (IM001), no end without counts', async () => {
  const { encounterId, patientId } = await addStay(hospital)
  const order = await hospital.run((tx) =>
    placeOrder(tx, { encounterId, category: 'procedure', codeSystem: 'urn:test', code: 'P1', display: 'Operation' }),
  )
  const { id } = await hospital.run((tx) =>
    planProcedure(tx, {
      encounterId,
      kind: 'surgery',
      codeSystem: 'urn:test',
      code: 'P1',
      display: 'Operation',
      primarySurgeonId: hospital.doctors[0],
      serviceRequestId: order.id,
    }),
  )
  await assert.rejects(
    hospital.run((tx) => signInProcedure(tx, id)),
    { sqlstate: 'IM006' },
  )
  await giveConsent(id, patientId)

  await twice((tx) => signInProcedure(tx, id, { site_marked: true }))
  await assert.rejects(
    hospital.run((tx) => recordIncision(tx, id)),
    { sqlstate: 'IM001' },
  )
  await twice((tx) => timeOutProcedure(tx, id))
  await twice((tx) => recordIncision(tx, id))
  await assert.rejects(
    hospital.run((tx) => completeProcedure(tx, id)),
    { sqlstate: 'IM001' },
  )
  const out = await twice((tx) => signOutProcedure(tx, { procedureId: id, countsCorrect: true, bloodLossMl: 120 }))
  const done = await twice((tx) => completeProcedure(tx, id))

  assert.equal(out.countsCorrect, true)
  assert.equal(done.status, 'completed')
  const [ordered] = await hospital.admin.query('select status from clinical.service_requests where id = $1', [order.id])
  assert.deepEqual(ordered, { status: 'completed' })
  await assert.rejects(
    hospital.run((tx) => abandonProcedure(tx, id, 'too late')),
    { sqlstate: 'IM001' },
  )
})

test('procedures: one at the bedside needs no checklist; one that is not done needs a reason', async () => {
  const { encounterId } = await addVisit(hospital)
  const plan = { encounterId, kind: 'bedside', codeSystem: 'urn:test', code: 'P2', display: 'Dressing' } as const

  const dressing = await hospital.run((tx) => planProcedure(tx, { ...plan, id: randomUUID() }))
  const done = await twice((tx) => completeProcedure(tx, dressing.id))
  const other = await hospital.run((tx) => planProcedure(tx, plan))
  const notDone = await twice((tx) => abandonProcedure(tx, other.id, 'refused'))

  assert.equal(`${done.status} ${notDone.status}`, 'completed not_done')
})

test('recordImplant: once for an id, and no serial number in two patients (23505)', async () => {
  const itemId = await addItem()
  const [one, two] = [await bedsideProcedure(), await bedsideProcedure()]
  const input = { procedureId: one, itemId, bodySite: 'hip', serialNumber: 'S-1', id: randomUUID() }

  const implant = await twice((tx) => recordImplant(tx, input))

  assert.equal(implant.serialNumber, 'S-1')
  await assert.rejects(
    hospital.run((tx) => recordImplant(tx, { ...input, procedureId: two, id: randomUUID() })),
    { sqlstate: '23505' },
  )
  await assert.rejects(
    hospital.run((tx) => recordImplant(tx, { procedureId: one, itemId, bodySite: 'hip' })),
    { sqlstate: '23514' },
  )
})

test('giveVaccination: a dose is given once; what was refused may be given later, not the other way round', async () => {
  const { patientId, encounterId } = await addVisit(hospital)
  const dose = { patientId, vaccineCode: 'tt', vaccineName: 'Tetanus', doseNumber: 1 }

  const refused = await twice((tx) => refuseVaccination(tx, { ...dose, reason: 'fever' }))
  const given = await twice((tx) =>
    giveVaccination(tx, { ...dose, lotNumber: 'L1', expiryOn: '2999-01-01', encounterId }),
  )

  assert.equal(given.id, refused.id)
  assert.equal(given.status, 'completed')
  await assert.rejects(
    hospital.run((tx) => refuseVaccination(tx, { ...dose, reason: 'fever' })),
    { sqlstate: 'IM001' },
  )
  await assert.rejects(
    hospital.run((tx) => giveVaccination(tx, { ...dose, doseNumber: 2, lotNumber: 'L1', expiryOn: '2020-01-01' })),
    { sqlstate: '23514', constraint: 'vaccination_records_lot_not_expired' },
  )
})

test('giveVaccination: a lot is good through its last day where the patient is', async () => {
  await withHospital(async (elsewhere) => {
    const patientId = await addPerson(elsewhere)
    const here = await useOtherDate(elsewhere)
    const give = (doseNumber: number, daysLeft: number) =>
      asAdmin(elsewhere, (query) =>
        query(
          `insert into clinical.vaccination_records (
             tenant_id, patient_id, vaccine_code, vaccine_name, dose_number, source, given_at, expiry_on
           )
           values ($1, $2, 'tt', 'Tetanus', $3, 'external', now(), $4::date + $5::int)`,
          [elsewhere.tenant, patientId, doseNumber, here, daysLeft],
        ),
      )

    await give(1, 0)
    await assert.rejects(give(2, -1), { sqlstate: '23514', constraint: 'vaccination_records_lot_not_expired' })
  })
})

test('imaging: a critical finding is told before the report is final (IM313); then the order is completed', async () => {
  const { report, order } = await reportedStudy(true)

  await assert.rejects(
    hospital.run((tx) => verifyImagingReport(tx, report.id)),
    { sqlstate: 'IM313' },
  )
  const told = await twice((tx) => noteCriticalTold(tx, report.id, 'doctor on call'))
  const final = await twice((tx) => verifyImagingReport(tx, report.id))

  assert.equal(told.criticalNotifiedTo, 'doctor on call')
  assert.equal(final.status, 'final')
  const rows = await hospital.admin.query(
    `select o.status as "order", s.status as study from clinical.service_requests o
     join clinical.imaging_studies s on s.service_request_id = o.id where o.id = $1`,
    [order.id],
  )
  assert.deepEqual(rows, [{ order: 'completed', study: 'reported' }])
  const events = await hospital.admin.query<{ event_type: string }>(
    'select event_type from core.outbox_events where aggregate_id = $1 order by event_type',
    [report.id],
  )
  assert.deepEqual(
    events.map(({ event_type }) => event_type),
    ['report.issued.v1', 'result.critical.v1'],
  )
})

test('amendImagingReport: the corrected report replaces the final one when it is verified', async () => {
  const { report } = await reportedStudy(false)
  const change = { reportId: report.id, findingsEnc: Buffer.from('f'), impressionEnc: Buffer.from('i'), reason: 'side' }
  await assert.rejects(
    hospital.run((tx) => amendImagingReport(tx, change)),
    { sqlstate: 'IM001' },
  )
  await hospital.run((tx) => verifyImagingReport(tx, report.id))

  const draft = await twice((tx) => amendImagingReport(tx, change))
  await hospital.run((tx) => verifyImagingReport(tx, draft.id))

  const rows = await hospital.admin.query(
    'select status from clinical.imaging_results where study_id = $1 order by status',
    [report.studyId],
  )
  assert.deepEqual(rows, [{ status: 'amended' }, { status: 'final' }])
})

test('imaging: an ultrasound of a pregnancy is not acquired without Form F (23514)', async () => {
  const { encounterId } = await addVisit(hospital)
  const order = await hospital.run((tx) => placeOrder(tx, imaging(encounterId)))
  const study = await twice((tx) =>
    registerImagingStudy(tx, { orderId: order.id, modality: 'US', bodySite: 'abdomen', isObstetric: true }),
  )
  await hospital.run(async (tx) => {
    await moveImagingStudy(tx, study.id, 'arrived')
    await moveImagingStudy(tx, study.id, 'in_progress')
  })

  await assert.rejects(
    hospital.run((tx) => moveImagingStudy(tx, study.id, 'acquired')),
    { sqlstate: '23514', constraint: 'imaging_studies_obstetric_has_form_f' },
  )
  await hospital.run((tx) =>
    tx.query(`update clinical.imaging_studies set pcpndt_form_f = '{"indication": "growth"}' where id = $1`, [
      study.id,
    ]),
  )
  const acquired = await twice((tx) => moveImagingStudy(tx, study.id, 'acquired'))

  assert.equal(acquired.status, 'acquired')
})

/** Runs an operation in two transactions, checks that both give the same answer, and returns it. */
async function twice<T>(work: Parameters<typeof hospital.run<T>>[0], user = hospital.users[0]): Promise<T> {
  const first = await hospital.run(work, { user })
  assert.deepEqual(await hospital.run(work, { user }), first)
  return first
}

const imaging = (encounterId: string) =>
  ({ encounterId, category: 'imaging', codeSystem: 'urn:test', code: 'X1', display: 'Chest X-ray' }) as const

async function draftNote(): Promise<MedicalRecord> {
  const { encounterId } = await addVisit(hospital)
  return hospital.run((tx) =>
    writeMedicalRecord(tx, {
      encounterId,
      typeCode: 'progress',
      title: 'Progress',
      contentEnc: Buffer.from('encrypted'),
      contentHash: Buffer.alloc(32),
      cosignerId: hospital.staff[1],
    }),
  )
}

async function statusOf(recordId: string): Promise<string | undefined> {
  const [row] = await hospital.admin.query<{ status: string }>(
    'select status from clinical.medical_records where id = $1',
    [recordId],
  )
  return row?.status
}

async function reportedStudy(isCritical: boolean): Promise<{ report: ImagingReport; order: ServiceOrder }> {
  const { encounterId } = await addVisit(hospital)
  return hospital.run(async (tx) => {
    const order = await placeOrder(tx, imaging(encounterId))
    const study = await registerImagingStudy(tx, { orderId: order.id, modality: 'DX', bodySite: 'chest' })
    await moveImagingStudy(tx, study.id, 'arrived')
    await moveImagingStudy(tx, study.id, 'in_progress')
    await moveImagingStudy(tx, study.id, 'acquired')
    const report = await reportImagingStudy(tx, {
      studyId: study.id,
      findingsEnc: Buffer.from('findings'),
      impressionEnc: Buffer.from('impression'),
      isCritical,
    })
    return { report, order }
  })
}

/** A consent to surgery that is in force, named by the procedure. */
async function giveConsent(procedureId: string, patientId: string): Promise<void> {
  const consentId = await decide(patientId, 'permit')
  await hospital.run((tx) =>
    tx.query('update clinical.procedures set consent_id = $2 where id = $1', [procedureId, consentId]),
  )
}

/** What a patient says to surgery, signed and in force. */
async function decide(patientId: string, decision: 'permit' | 'deny'): Promise<string> {
  const consentId = randomUUID()
  const documentId = randomUUID()
  await asAdmin(hospital, async (query) => {
    await query(
      `insert into ehr.documents (
         tenant_id, id, document_number, patient_id, type_code, title, category, storage_uri, mime, size_bytes, sha256,
         key_kid, confidentiality, source, virus_scan, scanned_at
       )
       values ($1, $2, $3, $4, 'consent', 'Consent', 'consent', 's3://bucket/' || $2::uuid, 'application/pdf', 1,
         sha256('\\x01'), 'k1', 'N', 'scanned', 'clean', now())`,
      [hospital.tenant, documentId, documentId, patientId],
    )
    await query(
      `insert into compliance.consents (
         tenant_id, id, patient_id, kind, decision, given_by, given_at, explained_by, document_id
       )
       values ($1, $2, $3, 'surgery', $6, 'patient', now(), $4, $5)`,
      [hospital.tenant, consentId, patientId, hospital.staff[0], documentId, decision],
    )
    await query(`update compliance.consents set status = 'active' where id = $1`, [consentId])
  })
  return consentId
}

async function bedsideProcedure(): Promise<string> {
  const { encounterId } = await addVisit(hospital)
  const { id } = await hospital.run(async (tx) => {
    const procedure = await planProcedure(tx, {
      encounterId,
      kind: 'bedside',
      codeSystem: 'urn:test',
      code: 'P3',
      display: 'Implant',
    })
    return completeProcedure(tx, procedure.id)
  })
  return id
}

async function addItem(): Promise<string> {
  const id = randomUUID()
  await asAdmin(hospital, (query) =>
    query(
      `insert into inventory.items (tenant_id, id, sku, name, kind, gst_rate, base_unit, is_batch_tracked)
       values ($1, $2, 'IMPLANT', 'Implant', 'implant', 5, 'piece', true)`,
      [hospital.tenant, id],
    ),
  )
  return id
}

test('allergy_status: what was stated before two records were merged counts for both', async () => {
  const [survivorId, duplicateId] = [await addPerson(hospital), await addPerson(hospital)]
  await hospital.run((tx) =>
    tx.query(
      `insert into clinical.allergies (tenant_id, patient_id, kind, category, code, display, recorded_by)
       values ($1, $2, 'allergy', 'medication', 'penicillin', 'Penicillin', $3)`,
      [hospital.tenant, duplicateId, hospital.staff[0]],
    ),
  )
  await hospital.run((tx) => proposeMerge(tx, { survivorId, duplicateId, reason: 'same person' }))
  await hospital.run((tx) => mergePatients(tx, survivorId, duplicateId), { user: hospital.users[1] })

  const rows = await hospital.run((tx) =>
    tx.query('select status from clinical.allergy_status where patient_id = any ($1::uuid[])', [
      [survivorId, duplicateId],
    ]),
  )
  assert.deepEqual(rows, [{ status: 'allergies' }, { status: 'allergies' }])
})

test('recordVitalSigns: sent again without its time, it is the same set', async () => {
  const { patientId, encounterId } = await addVisit(hospital)
  const input = { patientId, encounterId, values: { pulse: 80 }, id: randomUUID() }

  const first = await hospital.run((tx) => recordVitalSigns(tx, input))
  const again = await hospital.run((tx) => recordVitalSigns(tx, input))

  assert.deepEqual(again, first)
  const chart = await hospital.run((tx) =>
    tx.query('select pulse from clinical.vital_signs where patient_id = $1', [patientId]),
  )
  assert.equal(chart.length, 1)
})

test('surgery: a consent that was given for another stay does not count (IM006)', async () => {
  const [{ encounterId, patientId }, other] = [await addStay(hospital), await addVisit(hospital)]
  const { id } = await hospital.run((tx) =>
    planProcedure(tx, {
      encounterId,
      kind: 'surgery',
      codeSystem: 'urn:test',
      code: 'P1',
      display: 'Operation',
      primarySurgeonId: hospital.doctors[0],
    }),
  )
  await giveConsent(id, patientId)
  const of = (encounter: string) =>
    asAdmin(hospital, (query) =>
      query(
        `update compliance.consents set encounter_id = $2 where id = (select consent_id from clinical.procedures where id = $1)`,
        [id, encounter],
      ),
    )

  await of(other.encounterId)
  await assert.rejects(
    hospital.run((tx) => signInProcedure(tx, id)),
    { sqlstate: 'IM006' },
  )
  await of(encounterId)
  assert.equal((await hospital.run((tx) => signInProcedure(tx, id))).status, 'in_progress')
})

test('surgery: a consent that is withdrawn ends for the operation that rests on it, and for no other', async () => {
  const { encounterId, patientId } = await addStay(hospital)
  const plan = { encounterId, kind: 'surgery', codeSystem: 'urn:test', display: 'Operation' } as const
  const planned = async (code: string) => {
    const { id } = await hospital.run((tx) =>
      planProcedure(tx, { ...plan, code, primarySurgeonId: hospital.doctors[0] }),
    )
    await giveConsent(id, patientId)
    return id
  }
  const [knee, hip] = [await planned('P1'), await planned('P2')]
  await asAdmin(hospital, (query) =>
    query(
      `update compliance.consents set status = 'withdrawn', withdrawn_at = now()
       where id = (select consent_id from clinical.procedures where id = $1)`,
      [knee],
    ),
  )

  await assert.rejects(
    hospital.run((tx) => signInProcedure(tx, knee)),
    { sqlstate: 'IM006' },
  )
  assert.equal((await hospital.run((tx) => signInProcedure(tx, hip))).status, 'in_progress')
})

test('surgery: what the patient said under a record that was merged counts, and a later denial stops it (IM006)', async () => {
  const { encounterId, patientId } = await addStay(hospital)
  const duplicateId = await addPerson(hospital)
  const plan = { encounterId, kind: 'surgery', codeSystem: 'urn:test', code: 'P1', display: 'Operation' } as const
  const { id } = await hospital.run((tx) => planProcedure(tx, { ...plan, primarySurgeonId: hospital.doctors[0] }))
  await giveConsent(id, duplicateId)
  const signIn = () => hospital.run((tx) => signInProcedure(tx, id))
  await assert.rejects(signIn(), { sqlstate: 'IM006' })

  await hospital.run((tx) => proposeMerge(tx, { survivorId: patientId, duplicateId, reason: 'same person' }))
  await hospital.run((tx) => mergePatients(tx, patientId, duplicateId), { user: hospital.users[1] })
  await decide(duplicateId, 'deny')
  await assert.rejects(signIn(), { sqlstate: 'IM006' })

  await giveConsent(id, duplicateId)
  assert.equal((await signIn()).status, 'in_progress')
})
