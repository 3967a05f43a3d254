import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import {
  CommitUnknownError,
  ConnectionFailedError,
  ConnectionLostError,
  DatabaseError,
  type Transaction,
} from '@imhotep/postgres'
import { contextOf } from '../support/tenants.ts'
import { addPatients, at, killSession, openRaceClinic, type RaceClinic, tally } from './clinic.fixture.ts'

interface Visit {
  readonly patient: string
  readonly encounter: string
}

const clients = 200
let clinic: RaceClinic
let ward: string
let visits: Visit[]

before(async () => {
  // one connection a client: 200 sessions at the same time
  clinic = await openRaceClinic(clients)
  ward = await addWard()
  visits = await addVisits(clients)
})
after(() => clinic.close())

test('allocate_bed: 200 sessions on one bed put one patient into it and refuse 199 (IM200)', async () => {
  const bed = at(await addBeds(1), 0)

  const answers = await Promise.all(visits.map((visit) => allocateUntilAnswered(visit, bed)))

  assert.deepEqual(tally(answers), { taken: 1, IM200: 199 })
  assert.deepEqual(await violations(), [])
  await leaveAll()
})

test('allocate_bed: 200 sessions that put one patient into 20 beds put them into one (IM201)', async () => {
  const beds = await addBeds(20)
  const patient = at(visits, 0)

  const answers = await Promise.all(visits.map((_, index) => allocateUntilAnswered(patient, at(beds, index % 20))))

  const taken = answers.filter((answer) => answer === 'taken').length
  assert.deepEqual(tally(answers), { taken, IM201: clients - taken })
  assert.equal(await occupied(beds), 1)
  assert.deepEqual(await violations(), [])
  await leaveAll()
})

test('allocate_bed: 200 clients on 20 beds, many killed before or during commit: none double, none lost', async () => {
  const beds = await addBeds(20)

  const answers = await Promise.all(
    visits.map((visit, index) => allocateUntilAnswered(visit, at(beds, index % 20), index)),
  )

  assert.deepEqual(tally(answers), { taken: 20, IM200: 180 })
  assert.equal(await occupied(beds), 20)
  assert.deepEqual(await violations(), [])
  await leaveAll()
})

test('transfer_bed: 100 patients who move at once in all directions neither deadlock nor meet in a bed', async () => {
  const beds = await addBeds(120)
  const patients = visits.slice(0, 100)
  const allocations = await Promise.all(
    patients.map((visit, index) => clinic.as((tx) => allocate(tx, visit, at(beds, index)))),
  )

  // 20 beds are free, every second patient wants one of them; the others want the bed of a neighbour
  const answers = await Promise.all(
    allocations.map((allocation, index) =>
      untilAnswered(
        (tx) =>
          tx.query('select id from facility.transfer_bed($1, $2)', [
            allocation,
            at(beds, index % 2 === 0 ? 100 + (index % 20) : (index + 7) % 100),
          ]),
        index,
      ),
    ),
  )

  assert.ok(Object.keys(tally(answers)).every((answer) => ['taken', 'IM200', 'IM204'].includes(answer)))
  assert.ok(answers.filter((answer) => answer === 'taken').length >= 10)
  assert.equal(await occupied(beds), 100)
  assert.deepEqual(await violations(), [])
  await leaveAll()
})

test('reserve_bed, allocate_bed and expire_reservations at once: a bed is with one encounter, whoever wins', async () => {
  const beds = await addBeds(10)
  await Promise.all(
    beds.map((bed, index) =>
      clinic.as((tx) =>
        tx.query('select id from facility.reserve_bed($1, $2, $3)', [bed, ...idsOf(at(visits, index))]),
      ),
    ),
  )
  await clinic.asSuperuser(
    `update facility.bed_allocations set reserved_until = now() - interval '1 second' where status = $1`,
    ['reserved'],
  )

  const answers = await Promise.all([
    ...visits.slice(0, 100).map((visit, index) => allocateUntilAnswered(visit, at(beds, index % 10), index)),
    ...Array.from({ length: 10 }, () => untilAnswered((tx) => tx.query('select facility.expire_reservations()'))),
  ])

  assert.deepEqual(tally(answers.slice(0, 100)), { taken: 10, IM200: 90 })
  assert.equal(await occupied(beds), 10)
  assert.deepEqual(await violations(), [])
  await leaveAll()
})

test('finish_encounter and allocate_bed at once: nobody who has gone is in a bed', async () => {
  const beds = await addBeds(100)
  const ending = visits.slice(0, 100)
  await clinic.asSuperuser(`update clinical.encounters set status = 'in_progress' where status = $1`, ['arrived'])

  await Promise.all(
    ending.flatMap((visit, index) => [
      untilAnswered((tx) => allocate(tx, visit, at(beds, index))),
      untilAnswered((tx) => tx.query(`select id from clinical.finish_encounter($1, 'home')`, [visit.encounter])),
    ]),
  )

  const stuck = await clinic.superuser.query(
    `select a.id from facility.bed_allocations a join clinical.encounters e on e.id = a.encounter_id
     where e.status = 'finished' and a.status in ('active', 'reserved')`,
  )
  assert.deepEqual(stuck, [])
  assert.equal(await occupied(beds), 0)
  assert.deepEqual(await violations(), [])
})

/** A client that never gives up: what became of putting a patient into a bed. */
function allocateUntilAnswered(visit: Visit, bed: string, index?: number): Promise<string> {
  return untilAnswered((tx) => allocate(tx, visit, bed), index)
}

/**
 * Asks again after a lost connection, a lock that took too long, and a deadlock, as a client must. With an index, some
 * sessions are killed before or during their commit.
 */
async function untilAnswered(work: (tx: Transaction) => Promise<unknown>, index?: number): Promise<string> {
  for (let attempt = 0; attempt < 40; attempt++) {
    try {
      return await clinic.as(async (tx) => {
        await work(tx)
        if (attempt === 0 && index !== undefined && index % 7 === 3) await killSession(clinic.superuser, tx)
        // Not awaited: the kill and the commit race, and the client cannot know which of them won.
        if (attempt === 0 && index !== undefined && index % 7 === 5)
          void killSession(clinic.superuser, tx).catch(() => undefined)
        return 'taken'
      })
    } catch (error) {
      if (error instanceof DatabaseError && /^IM(2|001)/.test(error.sqlstate)) return error.sqlstate
      if (!mayAskAgain(error)) throw error
    }
  }
  throw new Error('a client got no answer')
}

function mayAskAgain(error: unknown): boolean {
  if (error instanceof ConnectionLostError || error instanceof ConnectionFailedError) return true
  if (error instanceof CommitUnknownError) return true
  return error instanceof DatabaseError && ['57P01', '55P03', '40P01'].includes(error.sqlstate)
}

async function allocate(tx: Transaction, visit: Visit, bed: string): Promise<string> {
  const rows = await tx.query<{ id: string }>('select id from facility.allocate_bed($1, $2, $3)', [
    bed,
    ...idsOf(visit),
  ])
  return at(rows, 0).id
}

function idsOf({ encounter, patient }: Visit): [encounter: string, patient: string] {
  return [encounter, patient]
}

/** Beds with two patients, patients with two beds, and beds whose state is not that of their allocations. */
function violations(): Promise<unknown[]> {
  return clinic.superuser.query(`
    select 'two in a bed' as what, bed_id as id from facility.bed_allocations where status = 'active'
    group by bed_id having count(*) > 1
    union all
    select 'in two beds', patient_id from facility.bed_allocations where status = 'active'
    group by patient_id having count(*) > 1
    union all
    select 'overlap', a.bed_id from facility.bed_allocations a
    join facility.bed_allocations b on b.bed_id = a.bed_id and b.id > a.id and b.period && a.period
    where a.kind = 'occupancy' and b.kind = 'occupancy'
    union all
    select 'state', b.id from facility.beds b
    left join facility.bed_allocations a on a.bed_id = b.id and a.status in ('active', 'reserved')
    where
      b.status is distinct from coalesce(case a.status when 'active' then 'occupied' when 'reserved' then 'reserved' end, b.status)
      or (b.status in ('occupied', 'reserved')) <> (a.id is not null)
      or (b.status = 'occupied' and b.current_allocation_id <> a.id)`)
}

async function occupied(beds: string[]): Promise<number> {
  const rows = await clinic.superuser.query(
    `select from facility.beds where id = any ($1::uuid[]) and status = 'occupied'`,
    [beds],
  )
  return rows.length
}

/** Everybody leaves their bed. */
async function leaveAll(): Promise<void> {
  await clinic.asSuperuser(
    `select facility.vacate_beds(encounter_id, patient_id) from facility.bed_allocations where status in ('active', $1)`,
    ['reserved'],
  )
}

async function addWard(): Promise<string> {
  const id = randomUUID()
  await clinic.asSuperuser(
    `insert into facility.locations (tenant_id, id, clinic_id, kind, code, name, care_class)
     values ($1, $2, $3, 'ward', 'W1', 'Ward', 'general')`,
    [clinic.tenant, id, clinic.clinic],
  )
  return id
}

async function addBeds(count: number): Promise<string[]> {
  const beds = Array.from({ length: count }, () => randomUUID())
  await clinic.asSuperuser(
    `insert into facility.beds (tenant_id, id, location_id, code) select $1, id, $3, id from unnest($2::uuid[]) id`,
    [clinic.tenant, beds, ward],
  )
  return beds
}

/** Patients who are being seen. */
async function addVisits(count: number): Promise<Visit[]> {
  const patients = await addPatients(clinic, count)
  const made = patients.map((patient) => ({ patient, encounter: randomUUID() }))
  await withTenant(clinic.superuser, contextOf(clinic.tenant), async (tx) => {
    await tx.query(
      `insert into clinical.encounters (
         tenant_id, id, encounter_number, patient_id, clinic_id, department_id, class, period
       )
       select $1, encounter, encounter::text, patient, $4, $5, 'EMER', tstzrange(now(), null)
       from unnest($2::uuid[], $3::uuid[]) as u (patient, encounter)`,
      [clinic.tenant, patients, made.map(({ encounter }) => encounter), clinic.clinic, clinic.department],
    )
    await tx.query(`update clinical.encounters set status = 'arrived' where tenant_id = $1`, [clinic.tenant])
  })
  return made
}
