import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { addDoctors, addPatients, addSlots, openRaceClinic, at, type RaceClinic } from '../races/clinic.fixture.ts'

let clinic: RaceClinic
let day = 0

before(async () => {
  clinic = await openRaceClinic(5)
})
after(() => clinic.close())

test('generate_slots: makes the slots of the clinic’s wall clock, leaves out closed time, and nothing twice', async () => {
  const doctor = at(await addDoctors(clinic, 1), 0)
  const monday = '2031-03-03'
  await addSchedule(doctor, { weekday: 1, from: '09:00', to: '10:10' })
  await addSchedule(doctor, { onDate: monday, from: '09:30', to: '09:45', kind: 'closed' })

  const made = [await generate(doctor, monday, '2031-03-09'), await generate(doctor, monday, '2031-03-09')]
  const slots = await query<{ utc: string }>(
    `select to_char(starts_at at time zone 'UTC', 'HH24:MI') as utc
     from scheduling.appointment_slots where doctor_id = $1 order by starts_at`,
    [doctor],
  )

  assert.deepEqual(made, [3, 0])
  assert.deepEqual(
    slots.map(({ utc }) => utc),
    ['03:30', '03:45', '04:15'],
  )
})

test('generate_slots: does not bring a cancelled slot back', async () => {
  const doctor = at(await addDoctors(clinic, 1), 0)
  await addSchedule(doctor, { weekday: 1, from: '09:00', to: '09:15' })
  await generate(doctor, '2031-03-03', '2031-03-03')

  await query(`update scheduling.appointment_slots set status = 'cancelled' where doctor_id = $1`, [doctor])

  assert.equal(await generate(doctor, '2031-03-03', '2031-03-03'), 0)
})

test('create_booking: refuses leave that was entered late (IM105), the past (IM102) and a blocked patient (IM106)', async () => {
  const { doctor, slots, patient } = await freshSlots(2)
  await addSchedule(doctor, { onDate: await dateOf(at(slots, 0)), from: '09:00', to: '09:15', kind: 'closed' })
  const inactive = at(await addPatients(clinic, 1), 0)
  await clinic.asSuperuser(`update patient.patients set status = 'inactive' where id = $1`, [inactive])
  const past = at(await addSlots(clinic, doctor, { capacity: 1, count: 1, day: -1 }), 0)

  assert.equal(await failureOf(patient, at(slots, 0)), 'IM105')
  const taken = await clinic.asSuperuser(
    'select status, booked_count, held_count from scheduling.appointment_slots where id = $1',
    [at(slots, 0)],
  )
  assert.deepEqual(taken, [{ status: 'open', booked_count: 0, held_count: 0 }])
  assert.equal(await failureOf(patient, past), 'IM102')
  assert.equal(await failureOf(inactive, at(slots, 1)), 'IM106')
  assert.equal(await failureOf(patient, at(slots, 1)), null)
})

test('create_booking: raises what cannot be stored: no such slot (IM100), no such patient (IM005)', async () => {
  const { slots, patient } = await freshSlots(1)

  await assert.rejects(failureOf(patient, randomUUID()), { sqlstate: 'IM100' })
  await assert.rejects(failureOf(randomUUID(), at(slots, 0)), { sqlstate: 'IM005' })
})

test('a visit from booking to its end: every step once, the token follows, and each event is in the outbox', async () => {
  const { slots, patient } = await freshSlots(1)
  const appointment = await book(patient, at(slots, 0))

  await move('confirm_appointment', appointment)
  const [desk] = await query<{ token_label: string }>(`select * from scheduling.check_in($1, 'visit')`, [appointment])
  await move('start_consultation', appointment)
  const state = await move('complete_appointment', appointment)
  const again = await move('complete_appointment', appointment)

  const tokens = await query('select status from scheduling.queue_management where appointment_id = $1', [appointment])
  const events = await clinic.superuser.query<{ event_type: string }>(
    `select event_type from core.outbox_events
     where aggregate_id = $1 or aggregate_id in (select id from scheduling.queue_management where appointment_id = $1)
     order by aggregate_seq`,
    [appointment],
  )
  assert.equal(desk?.token_label, '001')
  assert.deepEqual([state, again], ['completed', 'completed'])
  assert.deepEqual(tokens, [{ status: 'done' }])
  assert.deepEqual(
    events.map(({ event_type }) => event_type),
    ['appointment.booked.v1', 'queue.token_issued.v1', 'queue.token_called.v1'],
  )
})

test('cancel_appointment: wants a reason (IM002) and gives the place to the next patient', async () => {
  const { slots, patient } = await freshSlots(1)
  const appointment = await book(patient, at(slots, 0))
  const next = at(await addPatients(clinic, 1), 0)

  await assert.rejects(query(`select scheduling.cancel_appointment($1, ' ')`, [appointment]), { sqlstate: 'IM002' })
  assert.equal(await failureOf(next, at(slots, 0)), 'IM101')
  await query(`select scheduling.cancel_appointment($1, 'travelling')`, [appointment])
  await query(`select scheduling.cancel_appointment($1, 'asked twice')`, [appointment])

  assert.equal(await failureOf(next, at(slots, 0)), null)
  const [row] = await query('select status, cancelled_reason from scheduling.appointments where id = $1', [appointment])
  assert.deepEqual(row, { status: 'cancelled', cancelled_reason: 'travelling' })
})

test('reschedule_appointment: the same move again is the same appointment, another one is refused (IM001)', async () => {
  const { slots, patient } = await freshSlots(3)
  const appointment = await book(patient, at(slots, 0))
  const reschedule = async (slot: string) =>
    (await query<{ id: string }>('select id from scheduling.reschedule_appointment($1, $2)', [appointment, slot]))[0]
      ?.id

  const first = await reschedule(at(slots, 1))
  const second = await reschedule(at(slots, 1))

  assert.equal(first, second)
  await assert.rejects(reschedule(at(slots, 2)), { sqlstate: 'IM001' })
})

test('mark_no_show: not before the visit begins, and the place stays taken', async () => {
  const { slots, patient } = await freshSlots(1)
  const appointment = await book(patient, at(slots, 0))

  await assert.rejects(move('mark_no_show', appointment), { sqlstate: 'IM001' })
  await clinic.asSuperuser(`update scheduling.appointments set starts_at = now() - interval '1 hour' where id = $1`, [
    appointment,
  ])

  assert.equal(await move('mark_no_show', appointment), 'no_show')
  const [slot] = await query('select booked_count from scheduling.appointment_slots where id = $1', [slots[0]])
  assert.deepEqual(slot, { booked_count: 1 })
})

test('release_hold and expire_holds: give places back once', async () => {
  const { slots, patient } = await freshSlots(2)
  const other = at(await addPatients(clinic, 1), 0)
  const released = await hold(patient, at(slots, 0))
  const lapsed = await hold(other, at(slots, 1))
  await clinic.asSuperuser(
    `update booking.booking_requests set hold_expires_at = now() - interval '1 second' where id = $1`,
    [lapsed],
  )

  for (let turn = 0; turn < 2; turn++) await query('select booking.release_hold($1)', [released])
  const expired = [await countOf('booking.expire_holds()'), await countOf('booking.expire_holds()')]

  assert.deepEqual(expired, [1, 0])
  const counts = await query(
    'select held_count, status from scheduling.appointment_slots where id = any ($1::uuid[])',
    [slots],
  )
  assert.deepEqual(counts, [
    { held_count: 0, status: 'open' },
    { held_count: 0, status: 'open' },
  ])
})

test('close_past_slots: marks what is over, once', async () => {
  const doctor = at(await addDoctors(clinic, 1), 0)
  await clinic.as((tx) => tx.query('select scheduling.close_past_slots()'))
  await addSlots(clinic, doctor, { capacity: 1, count: 3, day: -2 })

  const closed = [await countOf('scheduling.close_past_slots()'), await countOf('scheduling.close_past_slots()')]

  assert.deepEqual(closed, [3, 0])
})

test('upcoming_appointments: shows an application the live visits of its tenant with names and local time', async () => {
  const { slots, patient } = await freshSlots(1)
  const appointment = await book(patient, at(slots, 0))

  const row = await one(
    `select patient_name, clinic_name, local_time::text, status from scheduling.upcoming_appointments
     where appointment_id = $1`,
    [appointment],
  )

  assert.deepEqual(row, { patient_name: 'Test', clinic_name: 'Main', local_time: '09:00:00', status: 'booked' })
})

const bypasses = [
  `update scheduling.appointment_slots set booked_count = 0`,
  `update scheduling.appointments set status = 'completed'`,
  `insert into scheduling.appointments (tenant_id, appointment_number) values (core.current_tenant_id(), 'APT-1')`,
  `update booking.booking_requests set status = 'confirmed'`,
  `update scheduling.queue_management set status = 'done'`,
  `select scheduling.change_slot_counts(core.current_tenant_id(), core.uuid_v7(), 1, 0)`,
]

test('an application cannot go round the operations: counts, states and requests are theirs', async () => {
  for (const sql of bypasses) await assert.rejects(query(sql), { sqlstate: '42501' }, sql)
})

/** Slots of a doctor of their own, each test on a day of its own, and a patient. */
async function freshSlots(count: number): Promise<{ doctor: string; slots: string[]; patient: string }> {
  const doctor = at(await addDoctors(clinic, 1), 0)
  const patient = at(await addPatients(clinic, 1), 0)
  day += 1
  return { doctor, patient, slots: await addSlots(clinic, doctor, { capacity: 1, count, day }) }
}

interface ScheduleOptions {
  readonly from: string
  readonly to: string
  readonly weekday?: number
  readonly onDate?: string
  readonly kind?: 'regular' | 'closed'
}

async function addSchedule(doctor: string, options: ScheduleOptions): Promise<void> {
  const { from, to, weekday = null, onDate = null, kind = 'regular' } = options
  await query(
    `insert into scheduling.schedules (tenant_id, clinic_id, doctor_id, kind, weekday, on_date, start_time, end_time)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [clinic.tenant, clinic.clinic, doctor, kind, weekday, onDate, from, to],
  )
}

async function generate(doctor: string, from: string, to: string): Promise<number> {
  const { made } = await one<{ made: number }>('select scheduling.generate_slots($1, $2, $3) as made', [
    from,
    to,
    doctor,
  ])
  return made
}

async function dateOf(slot: string): Promise<string> {
  const { date } = await one<{ date: string }>(
    `select (starts_at at time zone 'Asia/Kolkata')::date::text as date from scheduling.appointment_slots where id = $1`,
    [slot],
  )
  return date
}

interface Answer {
  request_id: string
  appointment_id: string
  failure_code: string | null
}

function request(operation: 'create_booking' | 'hold_slot', patient: string, slot: string): Promise<Answer> {
  return one<Answer>(`select * from booking.${operation}($1, $2, $3)`, [randomUUID(), patient, slot])
}

async function book(patient: string, slot: string): Promise<string> {
  return (await request('create_booking', patient, slot)).appointment_id
}

async function failureOf(patient: string, slot: string): Promise<string | null> {
  return (await request('create_booking', patient, slot)).failure_code
}

async function hold(patient: string, slot: string): Promise<string> {
  return (await request('hold_slot', patient, slot)).request_id
}

async function move(operation: string, appointment: string): Promise<string> {
  return (await one<{ status: string }>(`select status from scheduling.${operation}($1)`, [appointment])).status
}

async function countOf(call: string): Promise<number> {
  return (await one<{ count: number }>(`select ${call} as count`)).count
}

async function one<T>(sql: string, params: unknown[] = []): Promise<T> {
  return at(await query<T>(sql, params), 0)
}

function query<T>(sql: string, params: unknown[] = []): Promise<T[]> {
  return clinic.as((tx) => tx.query<T>(sql, params))
}
