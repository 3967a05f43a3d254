import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  IllegalTransitionError,
  NotAddresseeError,
  NotFoundError,
  NotPermittedError,
  NotReadBackError,
  ReasonRequiredError,
  ShiftClosedError,
} from '@imhotep/postgres'
import { addPerson, addStay, addVisit } from '../clinical/clinical.fixture.ts'
import {
  acceptHandover,
  addHandoverPatient,
  cancelHandover,
  closeShift,
  completeHandover,
  draftHandover,
  readBack,
  rejectHandover,
  reviseHandover,
  submitHandover,
} from './handovers.ts'
import { mergeOperation, type SyncedTable } from './merge-operation.ts'
import { cancelTask } from './move-tasks.ts'
import type { Task } from './task.ts'
import { addShift, addTask, change, openTaskWard, type TaskWard } from './tasking.fixture.ts'

let ward: TaskWard

before(async () => {
  ward = await openTaskWard()
})
after(() => ward.hospital.close())

const words = Buffer.from('encrypted')

async function newHandover() {
  const [fromShiftId, toShiftId] = [await addShift(ward.hospital, 0), await addShift(ward.hospital, 8)]
  const input = { fromShiftId, toShiftId, toUserId: ward.hospital.users[1] }
  return { ...input, input, handover: await ward.asGiver((tx) => draftHandover(tx, input)) }
}

const shiftOf = async ({ id }: Task) => {
  const [row] = await ward.asGiver((tx) =>
    tx.query<{ shift: string; assignee: string | null; carried: string | null }>(
      `select shift_id as shift, assigned_to as assignee, carried_from_handover_id as carried from tasking.tasks where id = $1`,
      [id],
    ),
  )
  return row
}

test('acceptHandover: patients read back, their tasks and those of the ward go to the next shift in one step', async () => {
  const { asGiver, asReceiver, hospital } = ward
  const { fromShiftId: shiftId, toShiftId, input, handover } = await newHandover()
  const [stay, visit] = [await addStay(hospital), await addVisit(hospital)]
  const [giver, receiver] = hospital.users
  const mine = await addTask(ward, { shiftId, patientId: stay.patientId, assignedTo: giver })
  const ofNobody = await addTask(ward, { shiftId, patientId: visit.patientId })
  const ofWard = await addTask(ward, { shiftId })
  const ofOther = await addTask(ward, { shiftId, patientId: await addPerson(hospital) })

  assert.deepEqual(await asGiver((tx) => draftHandover(tx, input)), handover)
  const handed = await asGiver((tx) =>
    addHandoverPatient(tx, {
      handoverId: handover.id,
      encounterId: stay.encounterId,
      illnessSeverity: 'unstable',
      patientSummaryEnc: words,
      contingencyPlan: [{ when: 'pain', do: 'call' }],
    }),
  )
  await asGiver((tx) =>
    addHandoverPatient(tx, {
      handoverId: handover.id,
      encounterId: visit.encounterId,
      illnessSeverity: 'stable',
      patientSummaryEnc: words,
    }),
  )
  const submitted = await asGiver((tx) => submitHandover(tx, handover.id))
  assert.deepEqual([handed.bedId, submitted.status, submitted.openTaskCount], [stay.bedId, 'submitted', 3])
  assert.deepEqual(await asGiver((tx) => submitHandover(tx, handover.id)), submitted)
  await assert.rejects(
    asGiver((tx) => acceptHandover(tx, handover.id)),
    NotAddresseeError,
  )
  await assert.rejects(
    asReceiver((tx) => acceptHandover(tx, handover.id)),
    NotReadBackError,
  )
  const heard = await asReceiver((tx) => readBack(tx, handover.id, stay.patientId, words))
  assert.deepEqual(await asReceiver((tx) => readBack(tx, handover.id, stay.patientId)), heard)
  await assert.rejects(
    asReceiver((tx) => readBack(tx, handover.id, ofOther.patientId ?? '')),
    NotFoundError,
  )
  await assert.rejects(
    asGiver((tx) => closeShift(tx, shiftId)),
    ShiftClosedError,
  )

  const accepted = await asReceiver((tx) =>
    acceptHandover(tx, handover.id, [{ patientId: visit.patientId, synthesisEnc: words }]),
  )

  assert.deepEqual([accepted.status, accepted.openTaskCount], ['accepted', 3])
  assert.deepEqual(await asReceiver((tx) => acceptHandover(tx, handover.id)), accepted)
  const carried = handover.id
  assert.deepEqual(await shiftOf(mine), { shift: toShiftId, assignee: receiver, carried })
  assert.deepEqual(await shiftOf(ofNobody), { shift: toShiftId, assignee: null, carried })
  assert.deepEqual(await shiftOf(ofWard), { shift: toShiftId, assignee: null, carried })
  assert.equal((await shiftOf(ofOther))?.shift, shiftId)
  await assert.rejects(
    asGiver((tx) => closeShift(tx, shiftId)),
    ShiftClosedError,
  )
  await asGiver((tx) => cancelTask(tx, ofOther.id, 'went home'))
  assert.equal(await asGiver((tx) => closeShift(tx, shiftId)), 'closed')
  assert.equal(await asGiver((tx) => closeShift(tx, shiftId)), 'closed')
  const completed = await asGiver((tx) => completeHandover(tx, handover.id))
  assert.deepEqual(await asReceiver((tx) => completeHandover(tx, handover.id)), completed)
})

test('rejectHandover: the giver revises and submits again, nobody else touches the draft', async () => {
  const { asGiver, asReceiver } = ward
  const { handover } = await newHandover()

  await assert.rejects(
    asReceiver((tx) => submitHandover(tx, handover.id)),
    NotPermittedError,
  )
  await assert.rejects(
    asReceiver((tx) => acceptHandover(tx, handover.id)),
    IllegalTransitionError,
  )
  await asGiver((tx) => submitHandover(tx, handover.id))
  await assert.rejects(
    asReceiver((tx) => rejectHandover(tx, handover.id, '')),
    ReasonRequiredError,
  )
  const rejected = await asReceiver((tx) => rejectHandover(tx, handover.id, 'the new patient is missing'))
  assert.deepEqual(await asReceiver((tx) => rejectHandover(tx, handover.id, 'again')), rejected)
  const draft = await asGiver((tx) => reviseHandover(tx, handover.id))
  assert.deepEqual([draft.status, await asGiver((tx) => reviseHandover(tx, handover.id))], ['draft', draft])
  await asGiver((tx) => submitHandover(tx, handover.id))
  assert.equal((await asReceiver((tx) => acceptHandover(tx, handover.id))).status, 'accepted')
  await assert.rejects(
    asGiver((tx) => cancelHandover(tx, handover.id, 'too late')),
    IllegalTransitionError,
  )
})

test('readBack: what is changed after it was read back is read back again', async () => {
  const { asGiver, asReceiver, hospital } = ward
  const { handover } = await newHandover()
  const { patientId, encounterId } = await addVisit(hospital)
  const said = { handoverId: handover.id, encounterId, illnessSeverity: 'stable', patientSummaryEnc: words } as const
  const handed = await asGiver((tx) => addHandoverPatient(tx, said))
  await asGiver((tx) => submitHandover(tx, handover.id))
  await asReceiver((tx) => readBack(tx, handover.id, patientId, words))
  await asReceiver((tx) => rejectHandover(tx, handover.id, 'the dose is missing'))
  await asGiver((tx) => reviseHandover(tx, handover.id))
  await asGiver((tx) => addHandoverPatient(tx, { ...said, orderNo: 1 }))
  const readBackBy = async () => {
    const [row] = await asGiver((tx) =>
      tx.query<{ by: string | null; synthesis: Buffer | null }>(
        `select read_back_by as by, synthesis_by_receiver_enc as synthesis from tasking.handover_patients where id = $1`,
        [handed.id],
      ),
    )
    return row
  }
  assert.deepEqual(await readBackBy(), { by: hospital.users[1], synthesis: words }, 'the same words stay read back')

  await asGiver((tx) =>
    addHandoverPatient(tx, {
      ...said,
      illnessSeverity: 'unstable',
      contingencyPlan: [{ when: 'bleeding', do: 'call' }],
    }),
  )
  assert.deepEqual(await readBackBy(), { by: null, synthesis: null })
  await asGiver((tx) => submitHandover(tx, handover.id))
  await assert.rejects(
    asReceiver((tx) => acceptHandover(tx, handover.id)),
    NotReadBackError,
  )
})

test('mergeOperation: the giver alone changes a handover offline, and what was read back is read back again', async () => {
  const { asGiver, asReceiver, hospital } = ward
  const { handover } = await newHandover()
  const { patientId, encounterId } = await addVisit(hospital)
  const { id } = await asGiver((tx) =>
    addHandoverPatient(tx, {
      handoverId: handover.id,
      encounterId,
      illnessSeverity: 'stable',
      patientSummaryEnc: words,
    }),
  )
  await asGiver((tx) => submitHandover(tx, handover.id))
  await asReceiver((tx) => readBack(tx, handover.id, patientId, words))
  const offline = (entityType: SyncedTable, entityId: string, patch: Record<string, unknown>) => ({
    ...change(handover, patch, { at: Date.now() + 1000 }),
    entityType,
    entityId,
  })
  const watcher = offline('handover_patients', id, { illness_severity: 'watcher' })
  const later = offline('handovers', handover.id, { due_at: '2090-01-01T00:00:00Z' })

  for (const operation of [watcher, later]) {
    await assert.rejects(
      asReceiver((tx) => mergeOperation(tx, operation)),
      NotPermittedError,
    )
  }
  assert.equal((await asGiver((tx) => mergeOperation(tx, watcher))).outcome, 'applied')
  assert.equal((await asGiver((tx) => mergeOperation(tx, later))).outcome, 'applied')
  await assert.rejects(
    asReceiver((tx) => acceptHandover(tx, handover.id)),
    NotReadBackError,
  )
})

test('cancelHandover: frees the shift to close; a closed shift gives and takes nothing', async () => {
  const { asGiver, hospital } = ward
  const { handover, fromShiftId, toShiftId, toUserId } = await newHandover()
  await assert.rejects(
    asGiver((tx) => closeShift(tx, fromShiftId)),
    ShiftClosedError,
  )
  const cancelled = await asGiver((tx) => cancelHandover(tx, handover.id, 'a colleague does it'))
  assert.deepEqual(await asGiver((tx) => cancelHandover(tx, handover.id, 'again')), cancelled)
  await asGiver((tx) => closeShift(tx, fromShiftId))

  await assert.rejects(
    asGiver((tx) => draftHandover(tx, { fromShiftId, toShiftId, toUserId })),
    ShiftClosedError,
  )
  await assert.rejects(
    asGiver((tx) => draftHandover(tx, { fromShiftId: hospital.tenant, toShiftId, toUserId })),
    NotFoundError,
  )
})
