import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { IllegalTransitionError, QueueEmptyError, ReasonRequiredError, SlotFullError } from '@imhotep/postgres'
import { createBooking } from '../booking/create-booking.ts'
import { addPatient, addSlot, withHospital, type Hospital } from '../hospital.fixture.ts'
import { issueToken, transferToken } from './issue-token.ts'
import {
  cancelAppointment,
  checkIn,
  completeAppointment,
  confirmAppointment,
  markLeft,
  markNoShow,
  rescheduleAppointment,
  startConsultation,
} from './move-appointment.ts'
import {
  callNext,
  expireTokens,
  finishService,
  leaveQueue,
  recallToken,
  returnToWaiting,
  skipToken,
  startService,
} from './serve-queue.ts'
import { closePastSlots, generateSlots } from './slots.ts'

async function book(hospital: Hospital, patientId: string, slotId: string): Promise<string> {
  const input = { idempotencyKey: randomUUID(), patientId, slotId }
  const { appointmentId, failureCode } = await hospital.run((tx) => createBooking(tx, input))
  if (appointmentId === null) throw new Error(`not booked: ${failureCode}`)
  return appointmentId
}

test('appointments: confirmed, checked in with a token, seen and completed', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const appointmentId = await book(hospital, await addPatient(hospital, 'Asha'), await addSlot(hospital, 24))

    const confirmed = await run((tx) => confirmAppointment(tx, appointmentId))
    const arrival = await run((tx) => checkIn(tx, { appointmentId, queueKey: 'opd' }))
    const again = await run((tx) => checkIn(tx, { appointmentId, queueKey: 'opd' }))
    const seen = await run((tx) => startConsultation(tx, appointmentId))
    const done = await run((tx) => completeAppointment(tx, appointmentId))

    assert.deepEqual(
      [confirmed.status, arrival.status, seen.status, done.status],
      ['confirmed', 'checked_in', 'in_consultation', 'completed'],
    )
    assert.equal(arrival.tokenNumber, 1)
    assert.deepEqual(again, arrival)
    await assert.rejects(
      run((tx) => markNoShow(tx, appointmentId)),
      IllegalTransitionError,
    )
    await assert.rejects(
      run((tx) => markLeft(tx, appointmentId)),
      IllegalTransitionError,
    )
  }))

test('rescheduleAppointment: gives the old place back and takes the new one, or changes nothing', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const [slot, free, full] = [await addSlot(hospital, 24), await addSlot(hospital, 26), await addSlot(hospital, 28)]
    const appointmentId = await book(hospital, await addPatient(hospital, 'Asha'), slot)
    await book(hospital, await addPatient(hospital, 'Balakrishnan', '1950-06-01'), full)
    const booked = () =>
      run((tx) =>
        tx.query<{ booked: number }>(
          'select booked_count as booked from scheduling.appointment_slots order by starts_at',
        ),
      )

    await assert.rejects(
      run((tx) => rescheduleAppointment(tx, { appointmentId, slotId: full })),
      SlotFullError,
    )
    const before = await booked()
    const moved = await run((tx) => rescheduleAppointment(tx, { appointmentId, slotId: free, reason: 'asked for it' }))

    assert.deepEqual([moved.slotId, moved.rescheduledFromId], [free, appointmentId])
    assert.deepEqual(
      before.map((row) => row.booked),
      [1, 0, 1],
    )
    assert.deepEqual(
      (await booked()).map((row) => row.booked),
      [0, 1, 1],
    )
    await assert.rejects(
      run((tx) => cancelAppointment(tx, moved.id, '')),
      ReasonRequiredError,
    )
    const cancelled = await run((tx) => cancelAppointment(tx, moved.id, 'patient recovered'))
    assert.equal(cancelled.status, 'cancelled')
  }))

test('queue: highest priority, then lowest number is called; every move of a token', () =>
  withHospital(async ({ run, clinicId }) => {
    const issue = (priority: number) =>
      run((tx) => issueToken(tx, { queueKey: 'lab', source: 'counter', clinicId, priority }))
    const [one, two, urgent] = [await issue(0), await issue(0), await issue(5)]

    const called = await run((tx) => callNext(tx, { queueKey: 'lab' }))
    const next = await run((tx) => callNext(tx, { queueKey: 'lab' }))
    const skipped = await run((tx) => skipToken(tx, one.id))
    const recalled = await run((tx) => recallToken(tx, one.id))
    const served = await run((tx) => startService(tx, one.id))
    const finished = await run((tx) => finishService(tx, one.id))
    const back = await run((tx) => returnToWaiting(tx, urgent.id))
    const moved = await run((tx) => transferToken(tx, { tokenId: urgent.id, queueKey: 'xray' }))
    const gone = await run((tx) => leaveQueue(tx, two.id))

    assert.deepEqual([one.tokenNumber, two.tokenNumber, urgent.tokenNumber], [1, 2, 3])
    assert.deepEqual([called.id, next.id], [urgent.id, one.id])
    assert.deepEqual(
      [skipped, recalled, served, finished, back, gone].map((token) => token.status),
      ['skipped', 'called', 'in_service', 'done', 'waiting', 'left'],
    )
    assert.deepEqual([moved.queueKey, moved.tokenNumber, moved.transferredFromId], ['xray', 1, urgent.id])
    await assert.rejects(
      run((tx) => callNext(tx, { queueKey: 'lab' })),
      QueueEmptyError,
    )
    assert.equal(await run((tx) => expireTokens(tx)), 0)
  }))

test('generateSlots: makes the slots of a weekly schedule once', () =>
  withHospital(async ({ run, tenant, clinicId, departmentId }) => {
    await run((tx) =>
      tx.query(
        `insert into scheduling.schedules
          (tenant_id, clinic_id, department_id, weekday, start_time, end_time, slot_minutes)
        values ($1, $2, $3, 1, '09:00', '10:00', 20)`,
        [tenant, clinicId, departmentId],
      ),
    )
    const week = { from: '2090-01-02', to: '2090-01-08' }

    const made = await run((tx) => generateSlots(tx, week))
    const again = await run((tx) => generateSlots(tx, week))

    assert.deepEqual([made, again, await run((tx) => closePastSlots(tx))], [3, 0, 0])
  }))
