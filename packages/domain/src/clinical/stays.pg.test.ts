import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { allocateBed, transferBed } from '../facility/allocate-bed.ts'
import { reserveBed } from '../facility/reserve-bed.ts'
import { admitPatient, cancelAdmission, requestAdmission } from './admit.ts'
import { addCareTeamMember, endCareTeamMember } from './care-team.ts'
import {
  addBed,
  addFinalSummary,
  addPerson,
  addPlace,
  addStay,
  addVisit,
  asAdmin,
  openWardHospital,
  type Stay,
  type WardHospital,
} from './clinical.fixture.ts'
import {
  clearBilling,
  clearPharmacy,
  completeClinicalDischarge,
  orderDischarge,
  recordDeparture,
  withdrawDischarge,
} from './discharge.ts'
import { signMedicalRecord, writeMedicalRecord } from './medical-records.ts'
import {
  arriveEncounter,
  cancelEncounter,
  finishEncounter,
  registerMedicoLegalCase,
  sendOnLeave,
  startEncounter,
  triageEncounter,
} from './move-encounter.ts'
import { openEncounter } from './open-encounter.ts'
import { recordVitalSigns } from './vital-signs.ts'

let hospital: WardHospital
before(async () => {
  hospital = await openWardHospital()
})
after(() => hospital.close())

test('openEncounter: an id that the caller chose, and an appointment, give one encounter', async () => {
  const patientId = await addPerson(hospital)
  const input = { patientId, encounterClass: 'AMB', departmentId: hospital.departmentId, id: randomUUID() } as const

  const first = await hospital.run((tx) => openEncounter(tx, input))
  const again = await hospital.run((tx) => openEncounter(tx, input))

  assert.equal(first.status, 'planned')
  assert.deepEqual(again, first)
  const otherPatient = await addPerson(hospital)
  await assert.rejects(
    hospital.run((tx) => openEncounter(tx, { ...input, patientId: otherPatient })),
    { sqlstate: 'IM011' },
  )
  await assert.rejects(
    hospital.run((tx) => openEncounter(tx, { ...input, id: randomUUID(), departmentId: randomUUID() })),
    { sqlstate: 'IM005' },
  )
})

test('encounter: arrives, is triaged and seen, goes on leave and ends; every step may be repeated', async () => {
  const patientId = await addPerson(hospital)
  const { id } = await hospital.run((tx) =>
    openEncounter(tx, { patientId, encounterClass: 'EMER', departmentId: hospital.departmentId }),
  )

  const steps = [
    await twice((tx) => arriveEncounter(tx, id)),
    await twice((tx) => triageEncounter(tx, id, 2)),
    await twice((tx) => startEncounter(tx, id, hospital.doctors[0])),
    await twice((tx) => sendOnLeave(tx, id)),
    await twice((tx) => startEncounter(tx, id)),
    await twice((tx) => finishEncounter(tx, id, 'home')),
  ]

  assert.deepEqual(
    steps.map(({ status }) => status),
    ['arrived', 'triaged', 'in_progress', 'on_leave', 'in_progress', 'finished'],
  )
  assert.deepEqual(await eventsOf(id), ['encounter.started.v1', 'encounter.finished.v1'])
  assert.deepEqual(await careTeam(id), [{ role: 'attending', now: false }])
  await assert.rejects(
    hospital.run((tx) => startEncounter(tx, id)),
    { sqlstate: 'IM001' },
  )
})

test('cancelEncounter: needs a reason (IM002) and gives a bed that was kept back', async () => {
  const patientId = await addPerson(hospital)
  const bedId = await addBed(hospital)
  const { id } = await hospital.run((tx) =>
    openEncounter(tx, { patientId, encounterClass: 'IMP', departmentId: hospital.departmentId }),
  )
  await hospital.run((tx) => reserveBed(tx, { bedId, encounterId: id, patientId }))

  await assert.rejects(
    hospital.run((tx) => cancelEncounter(tx, id, '')),
    { sqlstate: 'IM002' },
  )
  const cancelled = await twice((tx) => cancelEncounter(tx, id, 'came to another hospital'))

  assert.equal(cancelled.status, 'cancelled')
  assert.equal(await bedStatus(bedId), 'vacant')
})

test('registerMedicoLegalCase: one number, whenever the police was told', async () => {
  const { encounterId } = await addVisit(hospital)

  const first = await twice((tx) => registerMedicoLegalCase(tx, encounterId))
  const later = await hospital.run((tx) => registerMedicoLegalCase(tx, encounterId, new Date()))

  assert.match(first.mlcNumber ?? '', /^MLC-/)
  assert.equal(later.mlcNumber, first.mlcNumber)
})

test('care team: joins once, leaves once, nobody joins when it is over (IM001)', async () => {
  const { encounterId } = await addVisit(hospital)
  const staffId = hospital.staff[1]

  const member = await twice((tx) => addCareTeamMember(tx, encounterId, staffId, 'consultant'))
  await twice((tx) => endCareTeamMember(tx, member.id))
  const back = await hospital.run((tx) => addCareTeamMember(tx, encounterId, staffId, 'consultant'))
  await hospital.run((tx) => finishEncounter(tx, encounterId, 'home'))

  assert.notEqual(back.id, member.id)
  assert.ok((await careTeam(encounterId)).every(({ now }) => !now))
  await assert.rejects(
    hospital.run((tx) => addCareTeamMember(tx, encounterId, staffId, 'nurse')),
    { sqlstate: 'IM001' },
  )
})

test('admitPatient: the encounter begins, the doctor joins, the bed is taken; asked again: the same admission', async () => {
  const stay = await addStay(hospital)

  const again = await hospital.run((tx) => admitPatient(tx, stay.admissionId, stay.bedId))

  assert.equal(again.status, 'admitted')
  assert.equal(await bedStatus(stay.bedId), 'occupied')
  assert.deepEqual(await careTeam(stay.encounterId), [{ role: 'attending', now: true }])
  assert.deepEqual(await eventsOf(stay.admissionId), ['admission.admitted.v1'])
  const [row] = await hospital.run((tx) =>
    tx.query('select bed_id, admission_status from clinical.current_stays where admission_id = $1', [stay.admissionId]),
  )
  assert.deepEqual(row, { bed_id: stay.bedId, admission_status: 'admitted' })
})

test('admitPatient: a second stay of one patient is refused (IM201), an outpatient too (IM001)', async () => {
  const { patientId } = await addStay(hospital)
  const visit = await addVisit(hospital)
  const admissionId = await request(patientId)

  await assert.rejects(
    hospital.run((tx) => admitPatient(tx, admissionId)),
    { sqlstate: 'IM201' },
  )
  await assert.rejects(
    hospital.run((tx) =>
      requestAdmission(tx, {
        encounterId: visit.encounterId,
        admissionType: 'elective',
        careClass: 'general',
        admittingDoctorId: hospital.doctors[0],
      }),
    ),
    { sqlstate: 'IM001' },
  )
  const cancelled = await twice((tx) => cancelAdmission(tx, admissionId, 'admitted already'))
  assert.equal(cancelled.status, 'cancelled')
})

test('admitPatient: a bed above the class of the admission is refused (IM202) and nothing is admitted', async () => {
  const privateRoom = await addPlace(hospital, { careClass: 'private' })
  const bedId = await addBed(hospital, privateRoom)
  const admissionId = await request(await addPerson(hospital))

  await assert.rejects(
    hospital.run((tx) => admitPatient(tx, admissionId, bedId)),
    { sqlstate: 'IM202' },
  )
  await hospital.run((tx) =>
    tx.query(`update clinical.admissions set care_class = 'deluxe' where id = $1`, [admissionId]),
  )
  const admitted = await hospital.run((tx) => admitPatient(tx, admissionId, bedId))

  assert.equal(admitted.status, 'admitted')
})

test('discharge: ordered, clinical, billing, physical; the bed is freed by the last step only', async () => {
  const stay = await addStay(hospital)
  const { admissionId, encounterId, bedId } = stay

  const ordered = await twice((tx) => orderDischarge(tx, admissionId))
  await assert.rejects(
    hospital.run((tx) => completeClinicalDischarge(tx, admissionId)),
    { sqlstate: 'IM205' },
  )
  await addFinalSummary(hospital, stay)
  await twice((tx) => completeClinicalDischarge(tx, admissionId))
  await assert.rejects(
    hospital.run((tx) => clearBilling(tx, admissionId)),
    { sqlstate: 'IM203' },
  )
  await twice((tx) => clearPharmacy(tx, admissionId))
  await assert.rejects(
    hospital.run((tx) => recordDeparture(tx, admissionId)),
    { sqlstate: 'IM203' },
  )
  await twice((tx) => clearBilling(tx, admissionId))
  assert.equal(await bedStatus(bedId), 'occupied')
  const discharged = await twice((tx) => recordDeparture(tx, admissionId))

  assert.equal(ordered.status, 'discharge_ordered')
  assert.equal(discharged.status, 'discharged')
  assert.equal(await bedStatus(bedId), 'cleaning')
  const [encounter] = await hospital.admin.query('select status, disposition from clinical.encounters where id = $1', [
    encounterId,
  ])
  assert.deepEqual(encounter, { status: 'finished', disposition: 'home' })
  assert.deepEqual(await eventsOf(admissionId), ['admission.admitted.v1', 'admission.discharged.v1'])
})

test('finishEncounter: a stay does not end without its discharge (IM001)', async () => {
  const { encounterId } = await addStay(hospital)

  await assert.rejects(
    hospital.run((tx) => finishEncounter(tx, encounterId, 'home')),
    { sqlstate: 'IM001' },
  )
})

test('withdrawDischarge: the patient stays, clearances are void, for a reason (IM002)', async () => {
  const { admissionId } = await addStay(hospital)
  await hospital.run((tx) => orderDischarge(tx, admissionId))
  await hospital.run((tx) => clearPharmacy(tx, admissionId, 'no medicines'))

  await assert.rejects(
    hospital.run((tx) => withdrawDischarge(tx, admissionId, '')),
    { sqlstate: 'IM002' },
  )
  const back = await twice((tx) => withdrawDischarge(tx, admissionId, 'fever'))

  assert.equal(back.status, 'admitted')
  assert.equal(back.pharmacyClearedAt, null)
  await assert.rejects(
    hospital.run((tx) => clearPharmacy(tx, admissionId)),
    { sqlstate: 'IM001' },
  )
})

test('discharge: who absconded leaves with a signed note instead of a summary, and a waived bill', async () => {
  const { admissionId, encounterId, bedId } = await addStay(hospital)
  await hospital.run((tx) => orderDischarge(tx, admissionId, 'absconded'))
  await assert.rejects(
    hospital.run((tx) => completeClinicalDischarge(tx, admissionId)),
    { sqlstate: 'IM205' },
  )

  await hospital.run(async (tx) => {
    const { id } = await writeMedicalRecord(tx, {
      encounterId,
      typeCode: 'absconding_note',
      title: 'Absconded',
      contentEnc: Buffer.from('encrypted'),
      contentHash: Buffer.alloc(32),
    })
    await signMedicalRecord(tx, id)
    await completeClinicalDischarge(tx, admissionId)
    await clearPharmacy(tx, admissionId, 'absconded')
    await clearBilling(tx, admissionId, 'absconded')
  })
  const gone = await hospital.run((tx) => recordDeparture(tx, admissionId))

  assert.equal(gone.dischargeKind, 'absconded')
  assert.equal(await bedStatus(bedId), 'cleaning')
})

test('orderDischarge: nobody but staff orders (IM006)', async () => {
  const { admissionId } = await addStay(hospital)

  await assert.rejects(
    hospital.run((tx) => orderDischarge(tx, admissionId), { user: randomUUID() }),
    { sqlstate: 'IM006' },
  )
})

/** Runs an operation in two transactions, checks that both give the same answer, and returns it. */
async function twice<T>(work: Parameters<typeof hospital.run<T>>[0]): Promise<T> {
  const first = await hospital.run(work)
  assert.deepEqual(await hospital.run(work), first)
  return first
}

async function request(patientId: string): Promise<Stay['admissionId']> {
  const { id } = await hospital.run(async (tx) => {
    const encounter = await openEncounter(tx, {
      patientId,
      encounterClass: 'IMP',
      departmentId: hospital.departmentId,
    })
    return requestAdmission(tx, {
      encounterId: encounter.id,
      admissionType: 'emergency',
      careClass: 'general',
      admittingDoctorId: hospital.doctors[0],
    })
  })
  return id
}

async function bedStatus(bedId: string): Promise<string | undefined> {
  const [row] = await hospital.admin.query<{ status: string }>('select status from facility.beds where id = $1', [
    bedId,
  ])
  return row?.status
}

async function careTeam(encounterId: string): Promise<{ role: string; now: boolean }[]> {
  return asAdmin(hospital, () =>
    hospital.admin.query<{ role: string; now: boolean }>(
      'select role, upper_inf(period) as now from clinical.care_team_members where encounter_id = $1 order by period',
      [encounterId],
    ),
  )
}

async function eventsOf(aggregateId: string): Promise<string[]> {
  const rows = await hospital.admin.query<{ event_type: string }>(
    'select event_type from core.outbox_events where aggregate_id = $1 order by aggregate_seq',
    [aggregateId],
  )
  return rows.map(({ event_type }) => event_type)
}

test('finishEncounter: what is over stays as it was (IM001)', async () => {
  const { encounterId } = await addVisit(hospital)
  const finished = await hospital.run((tx) => finishEncounter(tx, encounterId, 'home'))

  await assert.rejects(
    hospital.run((tx) => finishEncounter(tx, encounterId, 'other')),
    { sqlstate: 'IM001' },
  )
  assert.deepEqual(await hospital.run((tx) => finishEncounter(tx, encounterId, 'home')), finished)
})

test('admitPatient: a bed that was kept before isolation was needed is refused (IM202)', async () => {
  const patientId = await addPerson(hospital)
  const bedId = await addBed(hospital)
  const { id: encounterId } = await hospital.run((tx) =>
    openEncounter(tx, { patientId, encounterClass: 'IMP', departmentId: hospital.departmentId }),
  )
  await hospital.run((tx) => reserveBed(tx, { bedId, encounterId, patientId }))
  await asAdmin(hospital, (query) =>
    query(`update clinical.encounters set isolation = 'airborne' where id = $1`, [encounterId]),
  )

  await assert.rejects(
    hospital.run((tx) => allocateBed(tx, { bedId, encounterId, patientId })),
    { sqlstate: 'IM202' },
  )
  await assert.doesNotReject(hospital.run((tx) => cancelEncounter(tx, encounterId, 'sent elsewhere')))
})

test('transferBed: a move into a bed that was kept is told as any other', async () => {
  const { admissionId, encounterId, patientId } = await addStay(hospital)
  const newBedId = await addBed(hospital)
  await hospital.run((tx) => reserveBed(tx, { bedId: newBedId, encounterId, patientId }))
  const [held] = await hospital.admin.query<{ id: string }>(
    `select id from facility.bed_allocations where encounter_id = $1 and status = 'active'`,
    [encounterId],
  )

  await hospital.run((tx) => transferBed(tx, { allocationId: held?.id ?? '', newBedId }))

  assert.deepEqual(await eventsOf(admissionId), ['admission.admitted.v1', 'admission.transferred.v1'])
})

test('current_stays: vital signs that were corrected do not count', async () => {
  const { admissionId, patientId, encounterId } = await addStay(hospital)
  const values = {
    temperatureC: 36.8,
    pulse: 131,
    respRate: 14,
    systolic: 120,
    diastolic: 70,
    spo2: 98,
    onOxygen: false,
    consciousness: 'A',
  } as const
  const [now, before] = [new Date(), new Date(Date.now() - 60_000)]
  const wrong = await hospital.run((tx) => recordVitalSigns(tx, { patientId, encounterId, values, measuredAt: now }))
  await hospital.run((tx) =>
    recordVitalSigns(tx, {
      patientId,
      encounterId,
      values: { ...values, pulse: 70 },
      measuredAt: before,
      replacesId: wrong.id,
    }),
  )

  const [row] = await hospital.run((tx) =>
    tx.query('select news2 from clinical.current_stays where admission_id = $1', [admissionId]),
  )
  assert.deepEqual(row, { news2: 0 })
})
