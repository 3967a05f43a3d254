import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import {
  CommitUnknownError,
  ConnectionFailedError,
  ConnectionLostError,
  DatabaseError,
  type Transaction,
} from '@imhotep/postgres'
import {
  addDoctors,
  addPatients,
  addSlots,
  killSession,
  openRaceClinic,
  at,
  type RaceClinic,
} from './clinic.fixture.ts'

interface Answer {
  request_id: string
  appointment_id: string | null
  appointment_number: string | null
  status: string
  failure_code: string | null
}

const clients = 200
let clinic: RaceClinic
let doctors: string[]
let patients: string[]

before(async () => {
  // one connection a client: 200 sessions at the same time
  clinic = await openRaceClinic(clients)
  doctors = await addDoctors(clinic, 10)
  patients = await addPatients(clinic, clients)
})
after(() => clinic.close())

test('create_booking: 200 sessions on a slot of capacity 5 make 5 appointments and 195 stored refusals', async () => {
  const slot = at(await addSlots(clinic, at(doctors, 0), { capacity: 5, count: 1, day: 10 }), 0)

  const answers = await Promise.all(
    patients.map((patient, index) => clinic.as((tx) => book(tx, `five-places-${index}`, patient, slot))),
  )

  assert.deepEqual(tally(answers), { confirmed: 5, 'rejected IM101': 195 })
  assert.deepEqual(await slotsOutOfStep(), [])
  assert.deepEqual(await countersOfDay(10), [1, 2, 3, 4, 5])
})

test('create_booking: 200 clients on 20 slots, many killed before or during commit: none double, none lost', async () => {
  const slots = await addSlots(clinic, at(doctors, 0), { capacity: 1, count: 20, day: 20 })

  const answers = await Promise.all(
    patients.map((patient, index) => bookUntilAnswered(index, `killed-${index}`, patient, at(slots, index % 20))),
  )

  assert.deepEqual(tally(answers), { confirmed: 20, 'rejected IM101': 180 })
  assert.equal(new Set(answers.filter(isConfirmed).map(({ appointment_id }) => appointment_id)).size, 20)
  assert.deepEqual(answers, await storedAnswers('killed-'), 'what a client was told is what the database holds')
  assert.deepEqual(await slotsOutOfStep(), [])
  assert.deepEqual(
    await countersOfDay(20),
    Array.from({ length: 20 }, (_, index) => index + 1),
  )
})

test('create_booking: one key sent 50 times at once is one booking with one answer', async () => {
  const slot = at(await addSlots(clinic, at(doctors, 0), { capacity: 50, count: 1, day: 30 }), 0)

  const answers = await Promise.all(
    Array.from({ length: 50 }, () => clinic.as((tx) => book(tx, 'the-same-key', at(patients, 0), slot))),
  )

  assert.equal(answers[0]?.status, 'confirmed')
  for (const answer of answers) assert.deepEqual(answer, answers[0])
  assert.deepEqual(await countersOfDay(30), [1])
  await assert.rejects(
    clinic.as((tx) => book(tx, 'the-same-key', at(patients, 1), slot)),
    { sqlstate: 'IM011' },
  )
})

test('create_booking: a patient who books ten doctors for the same time gets one of them', async () => {
  const slots = await Promise.all(
    doctors.map(async (doctor) => at(await addSlots(clinic, doctor, { capacity: 1, count: 1, day: 40 }), 0)),
  )

  const answers = await Promise.all(
    slots.map((slot, index) => clinic.as((tx) => book(tx, `everywhere-${index}`, at(patients, 0), slot))),
  )

  assert.deepEqual(tally(answers), { confirmed: 1, 'rejected IM103': 9 })
  assert.deepEqual(await slotsOutOfStep(), [])
})

test('hold_slot: 100 hold 5 places, each holder confirms twice at once, and nobody else can', async () => {
  const slot = at(await addSlots(clinic, at(doctors, 0), { capacity: 5, count: 1, day: 50 }), 0)

  const holds = await Promise.all(
    patients.slice(0, 100).map((patient, index) => clinic.as((tx) => hold(tx, `hold-places-${index}`, patient, slot))),
  )
  const held = holds.filter(({ status }) => status === 'held').map(({ request_id }) => request_id)
  await assert.rejects(
    clinic.as((tx) => confirm(tx, at(held, 0)), randomUUID()),
    { sqlstate: 'IM107' },
  )
  const confirmed = await Promise.all([...held, ...held].map((request) => clinic.as((tx) => confirm(tx, request))))

  assert.deepEqual(tally(holds), { held: 5, 'rejected IM101': 95 })
  assert.deepEqual(confirmed.slice(0, 5), confirmed.slice(5))
  assert.deepEqual(tally(confirmed), { confirmed: 10 })
  assert.deepEqual(await slotsOutOfStep(), [])
})

test('hold_slot: a lapsed hold makes room for one of those who ask, and its holder is told so', async () => {
  const slot = at(await addSlots(clinic, at(doctors, 0), { capacity: 1, count: 1, day: 60 }), 0)
  const late = await clinic.as((tx) => hold(tx, 'lapsing-hold', at(patients, 0), slot))
  await clinic.asSuperuser(
    `update booking.booking_requests set hold_expires_at = now() - interval '1 second' where id = $1`,
    [late.request_id],
  )

  const answers = await Promise.all(
    patients.slice(1, 41).map((patient, index) => clinic.as((tx) => book(tx, `after-lapse-${index}`, patient, slot))),
  )
  const told = await clinic.as((tx) => confirm(tx, late.request_id))

  assert.deepEqual(tally(answers), { confirmed: 1, 'rejected IM101': 39 })
  assert.equal(`${told.status} ${told.failure_code}`, 'expired IM104')
  assert.deepEqual(await slotsOutOfStep(), [])
})

test('reschedule_appointment: moves between two slots in both directions at once neither deadlock nor lose a place', async () => {
  const slots = await addSlots(clinic, at(doctors, 0), { capacity: 20, count: 2, day: 70 })
  const booked = await Promise.all(
    patients
      .slice(0, 20)
      .map((patient, index) => clinic.as((tx) => book(tx, `moving-${index}`, patient, at(slots, index % 2)))),
  )

  const moved = await Promise.all(
    booked.map(({ appointment_id }, index) =>
      clinic.as((tx) =>
        tx.query<{ status: string }>('select status from scheduling.reschedule_appointment($1, $2)', [
          appointment_id,
          at(slots, 1 - (index % 2)),
        ]),
      ),
    ),
  )

  assert.ok(moved.every(([row]) => row?.status === 'booked'))
  assert.deepEqual(await slotsOutOfStep(), [])
})

/** A client that never gives up: after a lost connection it asks again with its key, as it must. */
async function bookUntilAnswered(index: number, key: string, patient: string, slot: string): Promise<Answer> {
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      return await clinic.as(async (tx) => {
        const answer = await book(tx, key, patient, slot)
        if (attempt === 0 && index % 7 === 3) await killSession(clinic.superuser, tx)
        // Not awaited: the kill and the commit race, and the client cannot know which of them won.
        if (attempt === 0 && index % 7 === 5) void killSession(clinic.superuser, tx).catch(() => undefined)
        return answer
      })
    } catch (error) {
      if (!(error instanceof ConnectionLostError || error instanceof ConnectionFailedError || wasKilled(error)))
        throw error
    }
  }
  throw new Error(`client ${index} got no answer`)
}

/** 57P01 admin_shutdown, or a commit whose outcome the driver could not learn. */
function wasKilled(error: unknown): boolean {
  return error instanceof CommitUnknownError || (error instanceof DatabaseError && error.sqlstate === '57P01')
}

async function book(tx: Transaction, key: string, patient: string, slot: string): Promise<Answer> {
  return one(
    await tx.query<Answer>(`select ${answerColumns} from booking.create_booking($1, $2, $3)`, [key, patient, slot]),
  )
}

async function hold(tx: Transaction, key: string, patient: string, slot: string): Promise<Answer> {
  return one(await tx.query<Answer>(`select ${answerColumns} from booking.hold_slot($1, $2, $3)`, [key, patient, slot]))
}

async function confirm(tx: Transaction, request: string): Promise<Answer> {
  return one(await tx.query<Answer>(`select ${answerColumns} from booking.confirm_hold($1)`, [request]))
}

const answerColumns = 'request_id, appointment_id, appointment_number, status, failure_code'

function one<T>(rows: T[]): T {
  assert.equal(rows.length, 1)
  return at(rows, 0)
}

function isConfirmed({ status }: Answer): boolean {
  return status === 'confirmed'
}

function tally(answers: Answer[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { status, failure_code } of answers) {
    const outcome = failure_code === null ? status : `${status} ${failure_code}`
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  return counts
}

/** In the order of the number at the end of the key. */
function storedAnswers(prefix: string): Promise<Answer[]> {
  return clinic.superuser.query<Answer>(
    `select r.id as request_id, r.appointment_id, a.appointment_number, r.status, r.failure_code
     from booking.booking_requests r
     left join scheduling.appointments a on a.tenant_id = r.tenant_id and a.id = r.appointment_id
     where starts_with(r.idempotency_key, $1)
     order by substring(r.idempotency_key, '[0-9]+$')::int`,
    [prefix],
  )
}

/** Slots that took too many patients, or whose counts or state are not those of their appointments and holds. */
function slotsOutOfStep(): Promise<unknown[]> {
  return clinic.superuser.query(`
    select s.id, s.status, s.booked_count, s.held_count, live.count as appointments, held.count as holds
    from scheduling.appointment_slots s
    cross join lateral (
      select count(*)::int from scheduling.appointments a
      where a.slot_id = s.id and a.status not in ('proposed', 'cancelled', 'rescheduled')
    ) live
    cross join lateral (
      select count(*)::int from booking.booking_requests r where r.slot_id = s.id and r.status = 'held'
    ) held
    where
      s.booked_count <> live.count or s.held_count <> held.count or live.count + held.count > s.capacity
      or s.status <> case when live.count + held.count = s.capacity then 'full' else 'open' end`)
}

/** The counters at the end of the appointment numbers of one day, ascending. */
async function countersOfDay(day: number): Promise<number[]> {
  const rows = await clinic.superuser.query<{ counter: number }>(
    `select substring(a.appointment_number, '[0-9]+$')::int as counter
     from scheduling.appointments a
     where (a.starts_at at time zone 'Asia/Kolkata')::date = current_date + $1::int
     order by 1`,
    [day],
  )
  return rows.map(({ counter }) => counter)
}
