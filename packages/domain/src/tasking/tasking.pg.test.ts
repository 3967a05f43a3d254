import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import {
  IdempotencyKeyReusedError,
  IllegalTransitionError,
  NotFoundError,
  NotPermittedError,
  ReasonRequiredError,
  ShiftClosedError,
  VerificationMismatchError,
} from '@imhotep/postgres'
import { addVisit, asAdmin, type Visit } from '../clinical/clinical.fixture.ts'
import { createTask } from './create-task.ts'
import {
  assignTask,
  cancelTask,
  completeTask,
  holdTask,
  markOverdueTasks,
  reopenTask,
  startTask,
  verifyTask,
} from './move-tasks.ts'
import { addShift, addTask, openTaskWard, type TaskWard } from './tasking.fixture.ts'
import {
  beginVerification,
  decideVerification,
  emrVerificationSummary,
  failVerification,
  openVerification,
  recordVerification,
  repeatVerifications,
} from './verifications.ts'

let ward: TaskWard
let visit: Visit

before(async () => {
  ward = await openTaskWard()
  visit = await addVisit(ward.hospital)
})
after(() => ward.hospital.close())

/** A task of the patient that is done only when the EMR shows it, with a verification that runs. */
async function addVerification(assignment: { readonly assignedTo?: string } = {}) {
  const task = await addTask(ward, { patientId: visit.patientId, requiresVerification: true, ...assignment })
  const input = {
    taskId: task.id,
    emrSystem: 'EPIC',
    emrPatientId: 'E-1',
    resourceType: 'MedicationAdministration',
    expected: { status: 'completed', dosage: { dose: 1 } },
  } as const
  return { task, input, verification: await ward.asGiver((tx) => openVerification(tx, input)) }
}

const seen = { status: 'completed', dosage: { dose: 1, unit: 'g' }, note: 'more' }

test('createTask: an id is one task, in a shift that is open', async () => {
  const { hospital, asGiver, fromShift } = ward
  const input = {
    departmentId: hospital.departmentId,
    title: 'Dressing',
    category: 'wound_care',
    shiftId: fromShift,
    ...visit,
    id: randomUUID(),
  }
  const made = await asGiver((tx) => createTask(tx, input))
  const again = await asGiver((tx) => createTask(tx, input))
  const closed = await addShift(hospital, 24)
  await asAdmin(hospital, (query) => query(`update workforce.shifts set status = 'closed' where id = $1`, [closed]))

  assert.deepEqual(again, made)
  assert.match(made.taskNumber, /^TASK-\d\d-0/)
  assert.equal(made.status, 'pending')
  await assert.rejects(
    asGiver((tx) => createTask(tx, { ...input, patientId: undefined, encounterId: undefined } as never)),
    IdempotencyKeyReusedError,
  )
  await assert.rejects(
    asGiver((tx) => createTask(tx, { ...input, id: randomUUID(), shiftId: closed })),
    ShiftClosedError,
  )
  await assert.rejects(
    hospital.run((tx) => createTask(tx, { ...input, id: randomUUID() }), { user: null }),
    NotPermittedError,
  )
})

test('tasks: started, held, done, seen by a second person; every step repeated is the same', async () => {
  const { asGiver, asReceiver, hospital } = ward
  const { id } = await addTask(ward)
  const assigned = await asGiver((tx) => assignTask(tx, id, hospital.users[0]))
  await asGiver((tx) => startTask(tx, id))
  const held = await asGiver((tx) => holdTask(tx, id, 'the patient sleeps'))
  const heldTwice = await asGiver((tx) => holdTask(tx, id, 'the patient sleeps'))
  await asGiver((tx) => startTask(tx, id))
  const done = await asGiver((tx) => completeTask(tx, id))
  const doneTwice = await asReceiver((tx) => completeTask(tx, id))

  assert.equal(assigned.assignedTo, hospital.users[0])
  assert.deepEqual([held.status, heldTwice], ['on_hold', held])
  assert.deepEqual([done.status, done.completedBy, doneTwice], ['completed', hospital.users[0], done])
  await assert.rejects(
    asGiver((tx) => verifyTask(tx, id)),
    NotPermittedError,
  )
  const reopened = await asGiver((tx) => reopenTask(tx, id, 'the wrong leg'))
  assert.deepEqual([reopened.status, reopened.completedBy], ['reopened', null])
  await assert.rejects(
    asGiver((tx) => completeTask(tx, id)),
    IllegalTransitionError,
  )
  await asGiver((tx) => startTask(tx, id))
  await asGiver((tx) => completeTask(tx, id))
  const verified = await asReceiver((tx) => verifyTask(tx, id))
  assert.equal(verified.status, 'verified')
  assert.deepEqual(await asReceiver((tx) => verifyTask(tx, id)), verified)
  await assert.rejects(
    asGiver((tx) => assignTask(tx, id, hospital.users[1])),
    IllegalTransitionError,
  )
  await assert.rejects(
    asGiver((tx) => startTask(tx, randomUUID())),
    NotFoundError,
  )
})

test('reopenTask: a task of a shift that is over is open again without a shift', async () => {
  const { asGiver, hospital } = ward
  const shiftId = await addShift(hospital, 24)
  const { id } = await addTask(ward, { shiftId })
  await asGiver((tx) => completeTask(tx, id))
  await asAdmin(hospital, (query) => query(`update workforce.shifts set status = 'closed' where id = $1`, [shiftId]))

  const reopened = await asGiver((tx) => reopenTask(tx, id, 'the wrong leg'))

  assert.deepEqual([reopened.status, reopened.shiftId], ['reopened', null])
})

test('a shift with open tasks is not cancelled', async () => {
  const { asGiver, hospital } = ward
  const shiftId = randomUUID()
  await asAdmin(hospital, (query) =>
    query(
      `insert into workforce.shifts (tenant_id, id, department_id, name, kind, starts_at, ends_at)
       values ($1, $2, $3, 'Later', 'custom', now() + interval '40 hours', now() + interval '48 hours')`,
      [hospital.tenant, shiftId, hospital.departmentId],
    ),
  )
  const { id } = await addTask(ward, { shiftId })
  const cancel = () =>
    asGiver(async (tx) => {
      await tx.query(`select core.set_reason('nobody is free')`)
      await tx.query(`update workforce.shifts set status = 'cancelled' where id = $1`, [shiftId])
    })

  await assert.rejects(cancel(), ShiftClosedError)
  await asGiver((tx) => cancelTask(tx, id, 'not needed'))
  await cancel()
})

test('cancelTask: needs a reason, and a task that is open', async () => {
  const { asGiver } = ward
  const { id } = await addTask(ward)

  await assert.rejects(
    asGiver((tx) => cancelTask(tx, id, ' ')),
    ReasonRequiredError,
  )
  const cancelled = await asGiver((tx) => cancelTask(tx, id, 'not needed'))
  assert.equal(cancelled.status, 'cancelled')
  assert.deepEqual(await asGiver((tx) => cancelTask(tx, id, 'again')), cancelled)
})

test('markOverdueTasks: marks what should be done by now, once, and it can still be done', async () => {
  const { asGiver } = ward
  const { id } = await addTask(ward, { dueAt: new Date(Date.now() - 60_000) })

  assert.equal(await asGiver((tx) => markOverdueTasks(tx)), 1)
  assert.equal(await asGiver((tx) => markOverdueTasks(tx)), 0)
  assert.equal((await asGiver((tx) => completeTask(tx, id))).status, 'completed')
})

test('recordVerification: what the EMR shows completes and verifies the task, in the name of who did it', async () => {
  const { asGiver, asReceiver, hospital } = ward
  const { task, input, verification } = await addVerification()
  await assert.rejects(
    asGiver((tx) => completeTask(tx, task.id)),
    VerificationMismatchError,
  )
  const again = await asGiver((tx) => openVerification(tx, input))
  await asReceiver((tx) => beginVerification(tx, verification.id))
  const verified = await asReceiver((tx) => recordVerification(tx, verification.id, seen, 'MedicationAdministration/7'))
  const repeated = await asReceiver((tx) => recordVerification(tx, verification.id, seen, 'MedicationAdministration/7'))
  const closed = await asGiver((tx) => completeTask(tx, task.id))

  assert.deepEqual(again, verification)
  assert.deepEqual([verified.status, verified.attempts, repeated], ['verified', 1, verified])
  assert.deepEqual([closed.status, closed.completedBy], ['verified', hospital.users[0]])
  await assert.rejects(
    asReceiver((tx) => recordVerification(tx, verification.id, { status: 'other' }, 'X/1')),
    VerificationMismatchError,
  )
  await assert.rejects(
    asGiver((tx) => openVerification(tx, input)),
    VerificationMismatchError,
  )
})

test('recordVerification: a mismatch keeps what differs, and a person decides', async () => {
  const { asGiver, asReceiver } = ward
  const { task, verification } = await addVerification()
  const mismatch = await asGiver((tx) =>
    recordVerification(
      tx,
      verification.id,
      { status: 'in-progress', dosage: { dose: 1 } },
      'MedicationAdministration/8',
    ),
  )

  assert.equal(mismatch.status, 'mismatch')
  assert.deepEqual(mismatch.discrepancy, { status: { expected: 'completed', observed: 'in-progress' } })
  await assert.rejects(
    asReceiver((tx) => decideVerification(tx, verification.id, false)),
    ReasonRequiredError,
  )
  const decided = await asReceiver((tx) => decideVerification(tx, verification.id, true))
  assert.deepEqual([decided.status, decided.method], ['verified', 'manual'])
  assert.deepEqual(await asReceiver((tx) => decideVerification(tx, verification.id, true)), decided)
  assert.equal((await asGiver((tx) => completeTask(tx, task.id))).status, 'verified')

  const other = await addVerification()
  const rejected = await asReceiver((tx) => decideVerification(tx, other.verification.id, false, 'not in the record'))
  assert.equal(rejected.status, 'rejected')
  await assert.rejects(
    asReceiver((tx) => decideVerification(tx, other.verification.id, true)),
    IllegalTransitionError,
  )
})

test('failVerification: waits longer each time, is repeated by the job, and goes to a person in the end', async () => {
  const { asGiver } = ward
  const { verification } = await addVerification()
  const failed = await asGiver((tx) => failVerification(tx, verification.id, 'timeout'))
  const failedTwice = await asGiver((tx) => failVerification(tx, verification.id, 'timeout'))

  assert.deepEqual([failed.status, failed.attempts, failedTwice], ['failed', 1, failed])
  assert.ok(failed.nextAttemptAt && failed.nextAttemptAt.getTime() > Date.now() + 60_000)
  assert.equal(await asGiver((tx) => repeatVerifications(tx)), 0)
  for (let attempt = 2; attempt <= 10; attempt += 1) {
    await asAdmin(ward.hospital, (query) =>
      query(`update tasking.emr_verifications set next_attempt_at = now() where id = $1`, [verification.id]),
    )
    assert.equal(await asGiver((tx) => repeatVerifications(tx)), 1)
    const { attempts } = await asGiver((tx) => failVerification(tx, verification.id, 'timeout', 0))
    assert.equal(attempts, attempt)
  }
  assert.equal(await asGiver((tx) => repeatVerifications(tx)), 1)
  const decided = await asGiver((tx) => decideVerification(tx, verification.id, false, 'the EMR is gone'))
  assert.equal(decided.status, 'rejected')
})

test('emrVerificationSummary: shows the tenant what the last refresh saw, and nobody else', async () => {
  const { hospital, asGiver } = ward
  await hospital.admin.query('select tasking.refresh_emr_verification_report()')
  const summary = await asGiver((tx) => emrVerificationSummary(tx, '2020-01-01', '2100-01-01'))
  await hospital.admin.query('select tasking.refresh_emr_verification_report()')

  assert.deepEqual(
    summary.map(({ emrSystem, status }) => `${emrSystem} ${status}`),
    ['EPIC verified', 'EPIC rejected'],
  )
  assert.equal(summary.find(({ status }) => status === 'verified')?.verifications, 2)
  await assert.rejects(
    asGiver((tx) => tx.query('select * from tasking.emr_verification_report')),
    { sqlstate: '42501' },
  )
})

test('refresh_emr_verification_report: sees all tenants also where only signed contexts work', async () => {
  const { admin } = ward.hospital
  const report =
    'select tenant_id, day, emr_system, status, verifications from tasking.emr_verification_report order by 1, 2, 3, 4'
  await admin.query('select tasking.refresh_emr_verification_report()')
  const before = await admin.query(report)

  const signed = await admin
    .transaction(async (tx) => {
      await tx.query(`select core.add_context_key('test', sha256('test')), core.require_signed_context()`)
      await tx.query('select tasking.refresh_emr_verification_report()')
      const [{ forced } = {}] = await tx.query<{ forced: boolean }>(
        `select relforcerowsecurity as forced from pg_class where oid = 'tasking.emr_verifications'::regclass`,
      )
      throw new RolledBack(await tx.query(report), forced)
    })
    .catch((error: unknown) => {
      if (error instanceof RolledBack) return error
      throw error
    })

  assert.ok(before.length > 0)
  assert.deepEqual(signed.rows, before)
  assert.equal(signed.forced, true)
})

/** What a transaction saw before it was taken back. */
class RolledBack extends Error {
  readonly rows: unknown[]
  readonly forced: boolean | undefined
  constructor(rows: unknown[], forced: boolean | undefined) {
    super('rolled back')
    this.rows = rows
    this.forced = forced
  }
}

test('decideVerification: who did the task does not confirm it, and may say that it is not there', async () => {
  const { asGiver, asReceiver } = ward
  const { verification } = await addVerification()

  await assert.rejects(
    asGiver((tx) => decideVerification(tx, verification.id, true)),
    NotPermittedError,
  )
  assert.equal((await asReceiver((tx) => decideVerification(tx, verification.id, true))).status, 'verified')
  const other = await addVerification()
  const rejected = await asGiver((tx) => decideVerification(tx, other.verification.id, false, 'not entered yet'))
  assert.equal(rejected.status, 'rejected')
})

test('decideVerification: who has the task does not confirm it, whoever opened the verification', async () => {
  const { hospital, asReceiver } = ward
  const { verification } = await addVerification({ assignedTo: hospital.users[1] })

  await assert.rejects(
    asReceiver((tx) => decideVerification(tx, verification.id, true)),
    NotPermittedError,
  )
})
