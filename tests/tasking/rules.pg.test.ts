import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { mergeOperation, type Task } from '@imhotep/domain'
import type { Transaction } from '@imhotep/postgres'
import { addStay, addVisit, type Stay } from '../../packages/domain/src/clinical/clinical.fixture.ts'
import { asInstaller } from '../../packages/domain/src/compliance/compliance.fixture.ts'
import {
  addShift,
  addTask,
  change,
  openTaskWard,
  type TaskWard,
} from '../../packages/domain/src/tasking/tasking.fixture.ts'

// Around the operations: what the tables themselves refuse, whoever writes.

let ward: TaskWard
let stay: Stay

before(async () => {
  ward = await openTaskWard()
  stay = await addStay(ward.hospital)
})
after(() => ward.hospital.close())

const installer = <T>(work: (tx: Transaction) => Promise<T>) => asInstaller(ward.hospital, work)
const setTask = (id: string, columns: string) =>
  installer((tx) => tx.query(`update tasking.tasks set ${columns} where id = $1`, [id]))

test('tasks: one that requires verification is not done at commit without a verified row', async () => {
  const { id } = await addTask(ward, { patientId: stay.patientId, requiresVerification: true })
  const done = `status = 'completed', completed_at = now(), completed_by = assigned_by`

  await assert.rejects(setTask(id, done), { sqlstate: 'IM754' })
  const plain = await addTask(ward, { patientId: stay.patientId })
  await setTask(plain.id, done)
  await assert.rejects(setTask(plain.id, 'requires_verification = true'), { sqlstate: 'IM754' })
})

test('tasks: done by somebody, cancelled for a reason, verified in the record of a patient', async () => {
  const { id } = await addTask(ward)

  await assert.rejects(setTask(id, `status = 'completed'`), { constraint: 'tasks_done_by_somebody' })
  await assert.rejects(
    installer(async (tx) => {
      await tx.query(`select core.set_reason('x')`)
      await tx.query(`update tasking.tasks set status = 'cancelled' where id = $1`, [id])
    }),
    { constraint: 'tasks_cancelled_with_reason' },
  )
  await assert.rejects(setTask(id, 'requires_verification = true'), { constraint: 'tasks_verified_in_a_record' })
  await assert.rejects(setTask(id, `title = 'Aadhaar 2345 6789 0124'`), { sqlstate: 'IM006' })
})

test('tasks: an application corrects words and times, and moves nothing itself', async () => {
  const { id } = await addTask(ward)
  const set = (columns: string) =>
    ward.asGiver((tx) => tx.query(`update tasking.tasks set ${columns} where id = $1`, [id]))

  await set(`title = 'Corrected', due_at = now()`)
  for (const columns of [`status = 'in_progress'`, `shift_id = null`, `field_clocks = '{}'`, `hlc_physical_us = 1`])
    await assert.rejects(set(columns), { sqlstate: '42501' })
})

test('clocks: every write of the server is later than the last, counted, and noted for its fields alone', async () => {
  const { id } = await addTask(ward)
  const read = async () => {
    const [row] = await ward.asGiver((tx) =>
      tx.query<{ us: string; logical: number; writes: number; fields: Record<string, { seq: number }> }>(
        `select hlc_physical_us as us, hlc_logical as logical, (vector_clock ->> 'server')::int as writes, field_clocks as fields
         from tasking.tasks where id = $1`,
        [id],
      ),
    )
    assert.ok(row)
    return row
  }
  const before = await read()
  await installer(async (tx) => {
    await tx.query(`update tasking.tasks set title = 'One' where id = $1`, [id])
    await tx.query(`update tasking.tasks set title = 'Two', priority = 'high' where id = $1`, [id])
    await tx.query(`update tasking.tasks set title = 'Two' where id = $1`, [id])
  })
  const later = await read()

  assert.equal(later.writes, before.writes + 2, 'a write that changes nothing is none')
  assert.ok(BigInt(later.us) > BigInt(before.us))
  assert.equal(later.logical, 1, 'two writes of one transaction share its time')
  assert.deepEqual(
    [later.fields['title']?.seq, later.fields['priority']?.seq, later.fields['category']?.seq],
    [3, 3, 1],
  )
})

test('clocks: a row that a device moved ahead stays ahead of the wall clock of the server', async () => {
  const task = await addTask(ward)
  const ahead = change(task, { title: 'Ahead' }, { at: Date.now() + 200_000 })
  await ward.asGiver((tx) => mergeOperation(tx, ahead))
  await installer((tx) => tx.query(`update tasking.tasks set category = 'call' where id = $1`, [task.id]))
  const [row] = await ward.asGiver((tx) =>
    tx.query<{ us: string; logical: number }>(
      'select hlc_physical_us as us, hlc_logical as logical from tasking.tasks where id = $1',
      [task.id],
    ),
  )

  assert.ok(row)
  assert.ok(BigInt(row.us) === ahead.hlc.physicalUs && row.logical > ahead.hlc.logical)
})

test('merge: whatever the order in which the changes of three devices arrive, the task ends the same', async () => {
  const now = Date.now() + 60_000 // after what the server writes meanwhile
  const writes = [
    { nodeId: 'a', at: now + 10, patch: { title: 'a1', priority: 'low' } },
    { nodeId: 'b', at: now + 20, patch: { title: 'b1', category: 'call' } },
    { nodeId: 'c', at: now + 20, patch: { priority: 'high', category: 'food' } },
    { nodeId: 'a', at: now + 30, patch: { category: 'help' } },
  ]
  const orders = permutations([0, 1, 2, 3])
  const ends = new Set<string>()
  for (const order of orders) {
    const task = await addTask(ward)
    await ward.asGiver(async (tx) => {
      for (const index of order) {
        const write = writes[index]
        assert.ok(write)
        const operation = change(task, write.patch, { nodeId: write.nodeId, at: write.at, own: index + 1 })
        // one tick for a write, whichever task it is made on
        const hlc = { physicalUs: operation.hlc.physicalUs + tickOf(task), logical: index }
        await mergeOperation(tx, { ...operation, hlc })
      }
      const rows = await tx.query<Record<string, string>>(
        'select title, priority, category from tasking.tasks where id = $1',
        [task.id],
      )
      ends.add(JSON.stringify(rows))
    })
  }

  assert.equal(orders.length, 24)
  assert.deepEqual([...ends], ['[{"title":"b1","priority":"high","category":"help"}]'])
})

/** A few microseconds that differ from task to task: a device uses a tick once. */
const tickOf = ({ taskNumber }: Task) => BigInt(taskNumber.slice(-3)) % 1000n

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]))
}

test('shifts: none closes over open tasks, whoever closes it, and a closed one takes no task', async () => {
  const shiftId = await addShift(ward.hospital, 48)
  const { id } = await addTask(ward, { shiftId })
  const close = () =>
    ward.asGiver((tx) => tx.query(`update workforce.shifts set status = 'closed' where id = $1`, [shiftId]))

  await assert.rejects(close(), { sqlstate: 'IM752' })
  await setTask(id, 'shift_id = null')
  await close()
  await assert.rejects(setTask(id, `shift_id = '${shiftId}'`), { sqlstate: 'IM752' })
})

test('handovers: accepted only when read back, changed only while open, an unstable patient with a plan', async () => {
  const { tenant, departmentId, users } = ward.hospital
  const id = randomUUID()
  const add = (tx: Transaction, severity: string) =>
    tx.query(
      `insert into tasking.handover_patients (tenant_id, handover_id, patient_id, encounter_id, illness_severity, patient_summary_enc)
       values ($1, $2, $3, $4, $5, '\\x01')`,
      [tenant, id, stay.patientId, stay.encounterId, severity],
    )
  await installer(async (tx) => {
    await tx.query(
      `insert into tasking.handovers (tenant_id, id, handover_number, department_id, from_shift_id, to_shift_id, from_user_id, to_user_id, due_at)
       values ($1, $2, 'H', $3, $4, $5, $6, $7, now())`,
      [tenant, id, departmentId, ward.fromShift, ward.toShift, users[0], users[1]],
    )
  })
  const move = (tx: Transaction, status: string) =>
    tx.query(`update tasking.handovers set status = $2, accepted_at = now() where id = $1`, [id, status])

  await assert.rejects(
    installer((tx) => add(tx, 'unstable')),
    { constraint: 'handover_patients_unstable_has_contingency' },
  )
  await installer((tx) => add(tx, 'watcher'))
  await installer((tx) => move(tx, 'submitted'))
  await assert.rejects(
    installer((tx) => move(tx, 'accepted')),
    { sqlstate: 'IM751' },
  )
  await installer(async (tx) => {
    await tx.query(
      `update tasking.handover_patients set read_back_at = now(), read_back_by = $2 where handover_id = $1`,
      [id, users[1]],
    )
    await move(tx, 'accepted')
  })
  await assert.rejects(
    installer((tx) => tx.query(`update tasking.handover_patients set order_no = 3 where handover_id = $1`, [id])),
    { sqlstate: 'IM001' },
  )
})

test('emr_verifications: look into the record of the task’s own patient, and the log of operations stays', async () => {
  const { tenant } = ward.hospital
  const task = await addTask(ward, { patientId: stay.patientId })
  const { patientId: other } = await addVisit(ward.hospital)
  const open = (patient: string) =>
    installer((tx) =>
      tx.query(
        `insert into tasking.emr_verifications (tenant_id, task_id, patient_id, emr_system, emr_patient_id, resource_type)
         values ($1, $2, $3, 'EPIC', 'E', 'Observation')`,
        [tenant, task.id, patient],
      ),
    )
  await ward.asGiver((tx) => mergeOperation(tx, change(task, { title: 'Logged' })))

  await assert.rejects(open(other), { sqlstate: 'IM006' })
  await open(stay.patientId)
  await assert.rejects(open(stay.patientId), { constraint: 'emr_verifications_one_at_a_time' })
  await assert.rejects(
    installer((tx) => tx.query(`update tasking.sync_operations set resolution = 'x'`)),
    { sqlstate: 'IM006' },
  )
  await assert.rejects(
    installer((tx) => tx.query('delete from tasking.sync_operations')),
    { sqlstate: 'IM006' },
  )
})
