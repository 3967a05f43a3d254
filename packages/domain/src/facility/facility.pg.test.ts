import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  addBed,
  addPerson,
  addPlace,
  addVisit,
  asAdmin,
  openWardHospital,
  type Visit,
  type WardHospital,
} from '../clinical/clinical.fixture.ts'
import { finishEncounter } from '../clinical/move-encounter.ts'
import { openEncounter } from '../clinical/open-encounter.ts'
import { triageEncounter, arriveEncounter } from '../clinical/move-encounter.ts'
import { allocateBed, transferBed } from './allocate-bed.ts'
import { closeBed, finishCleaning, reopenBed } from './bed-upkeep.ts'
import { expireBedReservations, releaseBedReservation, reserveBed } from './reserve-bed.ts'

let hospital: WardHospital
before(async () => {
  hospital = await openWardHospital()
})
after(() => hospital.close())

test('allocateBed: the bed is occupied by the patient, and asking again changes nothing', async () => {
  const visit = await addVisit(hospital)
  const bedId = await addBed(hospital)

  const first = await hospital.run((tx) => allocateBed(tx, { bedId, ...visit }))
  const again = await hospital.run((tx) => allocateBed(tx, { bedId, ...visit }))

  assert.deepEqual(again, first)
  assert.equal(`${first.kind} ${first.status}`, 'occupancy active')
  assert.deepEqual(await bedState(bedId), { status: 'occupied', allocation: first.id })
})

test('allocateBed: a bed that is taken is refused (IM200), and so is a second bed for one patient (IM201)', async () => {
  const [one, two] = [await addVisit(hospital), await addVisit(hospital)]
  const [bedId, otherBedId] = [await addBed(hospital), await addBed(hospital)]
  await hospital.run((tx) => allocateBed(tx, { bedId, ...one }))

  await assert.rejects(
    hospital.run((tx) => allocateBed(tx, { bedId, ...two })),
    { sqlstate: 'IM200' },
  )
  await assert.rejects(
    hospital.run((tx) => allocateBed(tx, { bedId: otherBedId, ...one })),
    { sqlstate: 'IM201' },
  )
  assert.deepEqual(await bedState(otherBedId), { status: 'vacant', allocation: null })
})

test('allocateBed: an unknown bed is IM005, an encounter of somebody else 23514, one that is over IM001', async () => {
  const visit = await addVisit(hospital)
  const over = await addVisit(hospital)
  const bedId = await addBed(hospital)
  await hospital.run((tx) => finishEncounter(tx, over.encounterId, 'home'))

  await assert.rejects(
    hospital.run((tx) => allocateBed(tx, { bedId: visit.patientId, ...visit })),
    { sqlstate: 'IM005' },
  )
  await assert.rejects(
    hospital.run((tx) => allocateBed(tx, { bedId, encounterId: visit.encounterId, patientId: over.patientId })),
    { sqlstate: '23514' },
  )
  await assert.rejects(
    hospital.run((tx) => allocateBed(tx, { bedId, ...over })),
    { sqlstate: 'IM001' },
  )
})

test('transferBed: back to back, the old bed is cleaned, and asking again gives the same answer', async () => {
  const visit = await addVisit(hospital)
  const [bedId, newBedId] = [await addBed(hospital), await addBed(hospital)]
  const old = await hospital.run((tx) => allocateBed(tx, { bedId, ...visit }))

  const moved = await hospital.run((tx) => transferBed(tx, { allocationId: old.id, newBedId, reason: 'monitor' }))
  const again = await hospital.run((tx) => transferBed(tx, { allocationId: old.id, newBedId }))

  assert.equal(moved.transferFromId, old.id)
  assert.deepEqual(again, moved)
  assert.deepEqual(await bedState(bedId), { status: 'cleaning', allocation: null })
  assert.deepEqual(await bedState(newBedId), { status: 'occupied', allocation: moved.id })
  const [gap] = await hospital.admin.query<{ none: boolean }>(
    `select upper(o.period) = lower(n.period) as none from facility.bed_allocations n
     join facility.bed_allocations o on o.tenant_id = n.tenant_id and o.id = n.transfer_from_id where n.id = $1`,
    [moved.id],
  )
  assert.deepEqual(gap, { none: true })
  await assert.rejects(
    hospital.run((tx) => transferBed(tx, { allocationId: old.id, newBedId: bedId })),
    { sqlstate: 'IM001' },
  )
})

test('transferBed: into a taken bed is refused (IM200) and the patient stays where they were', async () => {
  const [one, two] = [await addVisit(hospital), await addVisit(hospital)]
  const [bedOne, bedTwo] = [await addBed(hospital), await addBed(hospital)]
  const old = await hospital.run((tx) => allocateBed(tx, { bedId: bedOne, ...one }))
  await hospital.run((tx) => allocateBed(tx, { bedId: bedTwo, ...two }))

  await assert.rejects(
    hospital.run((tx) => transferBed(tx, { allocationId: old.id, newBedId: bedTwo })),
    { sqlstate: 'IM200' },
  )

  assert.deepEqual(await bedState(bedOne), { status: 'occupied', allocation: old.id })
})

test('reserveBed: keeps the bed for one encounter, which takes it; others are refused (IM200)', async () => {
  const [one, two] = [await addVisit(hospital), await addVisit(hospital)]
  const bedId = await addBed(hospital)

  const held = await hospital.run((tx) => reserveBed(tx, { bedId, ...one }))
  const again = await hospital.run((tx) => reserveBed(tx, { bedId, ...one }))
  await assert.rejects(
    hospital.run((tx) => reserveBed(tx, { bedId, ...two })),
    { sqlstate: 'IM200' },
  )
  await assert.rejects(
    hospital.run((tx) => allocateBed(tx, { bedId, ...two })),
    { sqlstate: 'IM200' },
  )
  const taken = await hospital.run((tx) => allocateBed(tx, { bedId, ...one }))

  assert.deepEqual(again, held)
  assert.equal(taken.id, held.id)
  assert.equal(`${taken.kind} ${taken.status}`, 'occupancy active')
  await assert.rejects(
    hospital.run((tx) => releaseBedReservation(tx, held.id)),
    { sqlstate: 'IM001' },
  )
})

test('releaseBedReservation: the bed is vacant, once and for all', async () => {
  const visit = await addVisit(hospital)
  const bedId = await addBed(hospital)
  const held = await hospital.run((tx) => reserveBed(tx, { bedId, ...visit }))

  const released = await hospital.run((tx) => releaseBedReservation(tx, held.id))
  const again = await hospital.run((tx) => releaseBedReservation(tx, held.id))

  assert.equal(released.status, 'released')
  assert.deepEqual(again, released)
  assert.deepEqual(await bedState(bedId), { status: 'vacant', allocation: null })
})

test('expireBedReservations: what has lapsed is vacant; a lapsed bed can be taken before the job comes', async () => {
  const [one, two, three] = [await addVisit(hospital), await addVisit(hospital), await addVisit(hospital)]
  const [bedId, otherBedId] = [await addBed(hospital), await addBed(hospital)]
  await hospital.run((tx) => reserveBed(tx, { bedId, ...one }))
  await hospital.run((tx) => reserveBed(tx, { bedId: otherBedId, ...two }))
  await asAdmin(hospital, (query) =>
    query(
      `update facility.bed_allocations set reserved_until = now() - interval '1 second' where tenant_id = core.current_tenant_id() and status = 'reserved'`,
      [],
    ),
  )

  const taken = await hospital.run((tx) => allocateBed(tx, { bedId: otherBedId, ...three }))
  const expired = await hospital.run((tx) => expireBedReservations(tx))

  assert.equal(taken.status, 'active')
  assert.equal(expired, 1)
  assert.equal(await hospital.run((tx) => expireBedReservations(tx)), 0)
  assert.deepEqual(await bedState(bedId), { status: 'vacant', allocation: null })
})

test('finishCleaning: a bed that was left is cleaned before somebody else gets it (IM204)', async () => {
  const [one, two] = [await addVisit(hospital), await addVisit(hospital)]
  const bedId = await addBed(hospital)
  await hospital.run((tx) => allocateBed(tx, { bedId, ...one }))
  await hospital.run((tx) => finishEncounter(tx, one.encounterId, 'home'))

  await assert.rejects(
    hospital.run((tx) => allocateBed(tx, { bedId, ...two })),
    { sqlstate: 'IM204' },
  )
  const clean = await hospital.run((tx) => finishCleaning(tx, bedId))
  const again = await hospital.run((tx) => finishCleaning(tx, bedId))
  await hospital.run((tx) => allocateBed(tx, { bedId, ...two }))

  assert.equal(clean.status, 'vacant')
  assert.deepEqual(again, clean)
  await assert.rejects(
    hospital.run((tx) => finishCleaning(tx, bedId)),
    { sqlstate: 'IM001' },
  )
})

test('closeBed: takes a bed out of service for a reason (IM002), never one that somebody is in (IM001)', async () => {
  const visit = await addVisit(hospital)
  const [bedId, occupied] = [await addBed(hospital), await addBed(hospital)]
  await hospital.run((tx) => allocateBed(tx, { bedId: occupied, ...visit }))

  await assert.rejects(
    hospital.run((tx) => closeBed(tx, bedId, 'blocked', ' ')),
    { sqlstate: 'IM002' },
  )
  await assert.rejects(
    hospital.run((tx) => closeBed(tx, occupied, 'blocked', 'leak')),
    { sqlstate: 'IM001' },
  )
  const closed = await hospital.run((tx) => closeBed(tx, bedId, 'blocked', 'leak'))
  const other = await addVisit(hospital)
  await assert.rejects(
    hospital.run((tx) => allocateBed(tx, { bedId, ...other })),
    { sqlstate: 'IM204' },
  )
  const opened = await hospital.run((tx) => reopenBed(tx, bedId))

  assert.equal(closed.status, 'blocked')
  assert.equal(opened.status, 'vacant')
})

test('policy: a ward for women takes no man, a ward for children no adult, in its rooms as well (IM202)', async () => {
  const women = await addPlace(hospital, { sexPolicy: 'female' })
  const room = await addPlace(hospital, { kind: 'room', insideId: women })
  const children = await addPlace(hospital, { sexPolicy: 'paediatric' })
  const [womensBed, childrensBed] = [await addBed(hospital, room), await addBed(hospital, children)]
  const man = await addVisit(hospital)
  await asAdmin(hospital, (query) => query(`update patient.patients set sex = 'male' where id = $1`, [man.patientId]))
  const nobodyKnows = await addVisit(hospital)

  for (const bedId of [womensBed, childrensBed]) {
    await assert.rejects(
      hospital.run((tx) => allocateBed(tx, { bedId, ...man })),
      { sqlstate: 'IM202' },
    )
  }
  const allowed = await hospital.run((tx) => allocateBed(tx, { bedId: womensBed, ...nobodyKnows }))

  assert.equal(allowed.status, 'active')
})

test('policy: who needs isolation gets a place that offers it (IM202)', async () => {
  const isolation = await addPlace(hospital, { isolationCapable: true })
  const [open, closed] = [await addBed(hospital), await addBed(hospital, isolation)]
  const visit = await emergency()
  await hospital.run((tx) => triageEncounter(tx, visit.encounterId, 2, 'airborne'))

  await assert.rejects(
    hospital.run((tx) => reserveBed(tx, { bedId: open, ...visit })),
    { sqlstate: 'IM202' },
  )
  const taken = await hospital.run((tx) => allocateBed(tx, { bedId: closed, ...visit }))

  assert.equal(taken.bedId, closed)
})

async function emergency(): Promise<Visit> {
  const patientId = await addPerson(hospital)
  const { id } = await hospital.run(async (tx) => {
    const encounter = await openEncounter(tx, {
      patientId,
      encounterClass: 'EMER',
      departmentId: hospital.departmentId,
      priority: 'emergency',
    })
    return arriveEncounter(tx, encounter.id)
  })
  return { patientId, encounterId: id }
}

async function bedState(bedId: string): Promise<unknown> {
  const [row] = await hospital.admin.query(
    'select status, current_allocation_id as allocation from facility.beds where id = $1',
    [bedId],
  )
  return row
}
