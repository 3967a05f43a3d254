import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { IdempotencyKeyReusedError, IllegalTransitionError, NotFoundError } from '@imhotep/postgres'
import { addPatient, addSlot, withHospital } from '../hospital.fixture.ts'
import { createBooking } from './create-booking.ts'
import { confirmHold, expireHolds, holdSlot, releaseHold } from './holds.ts'

test('createBooking: confirms, refuses when full, and answers a repetition as before', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const slotId = await addSlot(hospital, 24)
    const [asha, bala] = [await addPatient(hospital, 'Asha'), await addPatient(hospital, 'Balakrishnan', '1950-06-01')]
    const input = {
      idempotencyKey: 'booking-1',
      patientId: asha,
      slotId,
      priority: 'urgent',
      reasonEnc: Buffer.from([1, 2]),
    } as const

    const first = await run((tx) => createBooking(tx, input))
    const repeated = await run((tx) => createBooking(tx, input))
    const refused = await run((tx) => createBooking(tx, { idempotencyKey: 'booking-2', patientId: bala, slotId }))

    assert.equal(first.status, 'confirmed')
    assert.match(first.appointmentNumber ?? '', /^APT-MAIN-\d{8}-0*1$/)
    assert.deepEqual(repeated, first)
    assert.deepEqual([refused.status, refused.failureCode, refused.appointmentId], ['rejected', 'IM101', null])
    const [stored] = await run((tx) =>
      tx.query<object>('select priority, reason_enc from scheduling.appointments where id = $1', [first.appointmentId]),
    )
    assert.deepEqual(stored, { priority: 'urgent', reason_enc: Buffer.from([1, 2]) })
    await assert.rejects(
      run((tx) => createBooking(tx, { ...input, patientId: bala })),
      IdempotencyKeyReusedError,
    )
    const stranger = { idempotencyKey: 'booking-3', patientId: randomUUID(), slotId }
    await assert.rejects(
      run((tx) => createBooking(tx, stranger)),
      NotFoundError,
    )
  }))

test('holdSlot: a hold takes the place until it is confirmed or released', () =>
  withHospital(async (hospital) => {
    const { run } = hospital
    const slotId = await addSlot(hospital, 24)
    const [asha, bala] = [await addPatient(hospital, 'Asha'), await addPatient(hospital, 'Balakrishnan', '1950-06-01')]
    const hold = (patientId: string) =>
      run((tx) => holdSlot(tx, { idempotencyKey: randomUUID(), patientId, slotId, minutes: 10 }))

    const held = await hold(asha)
    const refused = await hold(bala)
    const released = await run((tx) => releaseHold(tx, held.requestId))
    const second = await hold(bala)
    const confirmed = await run((tx) => confirmHold(tx, second.requestId))

    assert.deepEqual(
      [held, refused, released, second, confirmed].map((result) => result.status),
      ['held', 'rejected', 'released', 'held', 'confirmed'],
    )
    assert.ok(held.holdExpiresAt instanceof Date)
    assert.notEqual(confirmed.appointmentId, null)
    await assert.rejects(
      run((tx) => releaseHold(tx, second.requestId)),
      IllegalTransitionError,
    )
    assert.equal(await run((tx) => expireHolds(tx)), 0)
  }))
