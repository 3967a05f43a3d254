import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { ClockSkewError, IdempotencyKeyReusedError, NotFoundError } from '@imhotep/postgres'
import { addVisit } from '../clinical/clinical.fixture.ts'
import { mergeOperation, resolveConflict, type MergeOperationInput } from './merge-operation.ts'
import { assignTask, completeTask, startTask } from './move-tasks.ts'
import type { Task } from './task.ts'
import { addTask, change, openTaskWard, type TaskWard } from './tasking.fixture.ts'

let ward: TaskWard

before(async () => {
  ward = await openTaskWard()
})
after(() => ward.hospital.close())

const merge = (operation: MergeOperationInput) => ward.asGiver((tx) => mergeOperation(tx, operation))

interface Row {
  readonly title: string
  readonly priority: string
  readonly status: string
  readonly assigned_to: string | null
  readonly completed_by: string | null
  readonly cancel_reason: string | null
  readonly vector_clock: Record<string, number>
}

async function rowOf({ id }: Task): Promise<Row> {
  const [row] = await ward.asGiver((tx) => tx.query<Row>('select * from tasking.tasks where id = $1', [id]))
  assert.ok(row)
  return row
}

test('mergeOperation: the later write of each field stands, and an operation is merged once', async () => {
  const task = await addTask(ward)
  const late = change(task, { title: 'Late', priority: 'high' }, { at: Date.now() + 2000 })
  const early = change(task, { title: 'Early', category: 'call' }, { nodeId: 'tablet-2', at: Date.now() + 1000 })
  const applied = await merge(late)
  const other = await merge(early)
  const again = await merge(late)
  const sameWords = await merge(change(task, { title: 'Late' }, { nodeId: 'tablet-3', at: Date.now() + 500 }))
  const older = await merge(change(task, { title: 'Older' }, { nodeId: 'tablet-2', at: Date.now() + 600, own: 2 }))

  assert.equal(applied.outcome, 'applied')
  assert.deepEqual([other.outcome, again], ['applied', applied])
  assert.deepEqual([sameWords.outcome, older.outcome], ['duplicate', 'superseded'])
  const { title, priority, vector_clock } = await rowOf(task)
  assert.deepEqual([title, priority], ['Late', 'high'])
  assert.deepEqual(vector_clock, { server: 1, 'tablet-1': 1, 'tablet-2': 1 })
  await assert.rejects(merge({ ...late, entityId: (await addTask(ward)).id }), IdempotencyKeyReusedError)
})

test('mergeOperation: equal times are decided by the node, whatever the order of arrival', async () => {
  const results: string[] = []
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const task = await addTask(ward)
    const hlc = { physicalUs: BigInt(Date.now() + 1000) * 1000n, logical: 7 }
    const both = ['tablet-a', 'tablet-b'].map((nodeId) => ({ ...change(task, { title: nodeId }, { nodeId }), hlc }))
    for (const index of order) {
      const operation = both[index]
      assert.ok(operation)
      await merge(operation)
    }
    results.push((await rowOf(task)).title)
  }

  assert.deepEqual(results, ['tablet-b', 'tablet-b'])
})

test('mergeOperation: concurrent writes of the assignee are a conflict, which a person decides once', async () => {
  const { asGiver, hospital } = ward
  const [first, second] = hospital.users
  const task = await addTask(ward)
  await asGiver((tx) => assignTask(tx, task.id, first))
  const unseen = await merge(change(task, { assigned_to: second, title: 'Both' }, { at: Date.now() + 1000 }))

  assert.deepEqual([unseen.outcome, unseen.conflictFields], ['conflict', ['assigned_to']])
  const { title, assigned_to } = await rowOf(task)
  assert.deepEqual([title, assigned_to], ['Both', first], 'the rest of the operation is merged')
  const open = () => asGiver((tx) => tx.query('select id from tasking.open_conflicts where id = $1', [unseen.id]))
  assert.equal((await open()).length, 1)

  const decision = {
    operationId: unseen.id,
    values: { assigned_to: second },
    valuesEnc: Buffer.from('encrypted'),
    resolution: 'the second is free',
  }
  const resolved = await asGiver((tx) => resolveConflict(tx, decision))
  assert.deepEqual([resolved.outcome, resolved.resolvesId], ['applied', unseen.id])
  assert.deepEqual(await asGiver((tx) => resolveConflict(tx, { ...decision, values: {} })), resolved)
  assert.equal((await rowOf(task)).assigned_to, second)
  assert.equal((await open()).length, 0)
  await assert.rejects(
    asGiver((tx) => resolveConflict(tx, { ...decision, operationId: resolved.id })),
    NotFoundError,
  )
  const known = await merge(change(task, { assigned_to: first }, { seen: 3, own: 2, at: Date.now() + 2000 }))
  assert.equal(known.outcome, 'applied', 'who has seen the last write may change it')
})

test('mergeOperation: moves follow the state machine, with who did it; an illegal move is a conflict', async () => {
  const { asGiver, hospital } = ward
  const task = await addTask(ward)
  const done = await merge(change(task, { status: 'completed' }, { at: Date.now() + 1000 }))
  const back = await merge(change(task, { status: 'on_hold' }, { own: 2, at: Date.now() + 2000 }))

  assert.deepEqual([done.outcome, (await rowOf(task)).completed_by], ['applied', hospital.users[0]])
  assert.deepEqual([back.outcome, back.conflictFields], ['conflict', ['status']])

  const cancelled = await addTask(ward)
  await merge(change(cancelled, { status: 'cancelled', cancel_reason: 'gone home' }))
  assert.equal((await rowOf(cancelled)).cancel_reason, 'gone home')

  const { patientId } = await addVisit(hospital)
  const toVerify = await addTask(ward, { patientId, requiresVerification: true })
  assert.equal((await merge(change(toVerify, { status: 'completed' }))).outcome, 'conflict')
  assert.equal((await merge(change(toVerify, { status: 'verified' }, { own: 2 }))).outcome, 'conflict')

  const meanwhile = await addTask(ward)
  await asGiver((tx) => startTask(tx, meanwhile.id))
  await asGiver((tx) => completeTask(tx, meanwhile.id))
  const late = await merge(change(meanwhile, { status: 'cancelled', cancel_reason: 'late' }, { at: Date.now() + 1000 }))
  assert.deepEqual([late.outcome, (await rowOf(meanwhile)).cancel_reason], ['conflict', null])
})

test('mergeOperation: refuses clocks that are ahead, unknown rows and fields, and makes tasks that were made offline', async () => {
  const { hospital } = ward
  const task = await addTask(ward)
  const id = randomUUID()
  const made = {
    ...change(task, { title: 'Made offline', category: 'call', department_id: hospital.departmentId, priority: 'low' }),
    entityId: id,
  }

  await assert.rejects(merge(change(task, { title: 'x' }, { at: Date.now() + 400_000 })), ClockSkewError)
  await assert.rejects(merge({ ...change(task, { title: 'x' }), entityId: randomUUID() }), NotFoundError)
  const rejected = await merge(change(task, { completed_by: hospital.users[0] }))
  assert.deepEqual([rejected.outcome, rejected.conflictFields], ['rejected', ['completed_by']])
  const applied = await merge(made)
  assert.deepEqual([applied.outcome, await merge(made)], ['applied', applied])
  const row = await rowOf({ ...task, id })
  assert.deepEqual(
    [row.title, row.priority, row.status, row.vector_clock],
    ['Made offline', 'low', 'pending', { 'tablet-1': 1 }],
  )
})

test('mergeOperation: a task that was made offline is where the device left it, and unknown fields make none', async () => {
  const { hospital } = ward
  const { patientId } = await addVisit(hospital)
  const make = (patch: Record<string, unknown>) => {
    const id = randomUUID()
    const whole = { title: 'Made offline', category: 'call', department_id: hospital.departmentId, ...patch }
    return { id, operation: change({ id }, whole, { seen: 0 }) }
  }
  const done = make({ status: 'completed' })
  const dropped = make({ status: 'cancelled', cancel_reason: 'went home' })
  const unverified = make({ status: 'completed', patient_id: patientId, requires_verification: true })
  const strange = make({ completed_by: hospital.users[1] })

  const outcomes: string[] = []
  for (const { operation } of [done, dropped, unverified, strange]) outcomes.push((await merge(operation)).outcome)

  assert.deepEqual(outcomes, ['applied', 'applied', 'conflict', 'rejected'])
  const rows = await ward.asGiver((tx) =>
    tx.query<object>(
      `select status, completed_by, cancel_reason from tasking.tasks where id = any ($1)
       order by array_position($1, id)`,
      [[done, dropped, unverified, strange].map(({ id }) => id)],
    ),
  )
  assert.deepEqual(rows, [
    { status: 'completed', completed_by: hospital.users[0], cancel_reason: null },
    { status: 'cancelled', completed_by: null, cancel_reason: 'went home' },
    { status: 'pending', completed_by: null, cancel_reason: null },
  ])
  const reopened = change(done, { status: 'reopened' }, { seen: 1, own: 2, at: Date.now() + 1000 })
  assert.equal((await merge(reopened)).outcome, 'applied')
})

test('mergeOperation: copies of a rejected operation that come at the same moment get one answer', async () => {
  const id = randomUUID()
  const whole = { title: 'Made offline', category: 'call', department_id: ward.hospital.departmentId }
  const operation = change({ id }, { ...whole, completed_by: ward.hospital.users[1] }, { seen: 0 })
  const sameTick = { ...operation, opId: randomUUID(), entityId: randomUUID() }

  let copy: Promise<unknown> | undefined
  let other: Promise<unknown> | undefined
  const first = await ward.asGiver(async (tx) => {
    const rejected = await mergeOperation(tx, operation)
    copy = merge(operation)
    other = merge(sameTick).catch((error: unknown) => error)
    await setTimeout(500) // both wait for this transaction
    return rejected
  })

  assert.equal(first.outcome, 'rejected')
  assert.deepEqual(await copy, first)
  assert.ok((await other) instanceof IdempotencyKeyReusedError)
})
