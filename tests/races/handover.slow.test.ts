import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import {
  acceptHandover,
  addHandoverPatient,
  closeShift,
  createTask,
  draftHandover,
  submitHandover,
} from '@imhotep/domain'
import { withTenant } from '@imhotep/kernel'
import {
  CommitUnknownError,
  connect,
  ConnectionFailedError,
  ConnectionLostError,
  DatabaseError,
  type Database,
  type Transaction,
} from '@imhotep/postgres'
import { addStay } from '../../packages/domain/src/clinical/clinical.fixture.ts'
import { addShift, addTask, openTaskWard, type TaskWard } from '../../packages/domain/src/tasking/tasking.fixture.ts'
import { killSession, tally } from './clinic.fixture.ts'

const clients = 150
let ward: TaskWard
let app: Database

before(async () => {
  ward = await openTaskWard()
  // one connection a client
  const [row] = await ward.hospital.admin.query<{ name: string; port: number; host: string }>(
    `select current_database() as name, inet_server_port() as port, host(inet_server_addr()) as host`,
  )
  assert.ok(row)
  app = connect(`postgres://imhotep_app:imhotep-test@${row.host}:${row.port}/${row.name}`, { max: clients })
})
after(async () => {
  await app.close()
  await ward.hospital.close()
})

const as = <T>(user: string, work: (tx: Transaction) => Promise<T>) =>
  withTenant(app, { tenant: ward.hospital.tenant, user, role: 'nurse', purpose: 'TREAT' }, work)

test('accept_handover: 150 clients at once, many killed: accepted once, every task moved once, strangers refused', async () => {
  const { hospital, asGiver } = ward
  const [giver, receiver] = hospital.users
  const [fromShiftId, toShiftId] = [await addShift(hospital, 0), await addShift(hospital, 8)]
  const { id } = await asGiver((tx) => draftHandover(tx, { fromShiftId, toShiftId, toUserId: receiver }))
  const readBacks: { patientId: string }[] = []
  for (let n = 0; n < 3; n += 1) {
    const { encounterId, patientId } = await addStay(hospital)
    const patientSummaryEnc = Buffer.from('encrypted')
    await asGiver((tx) =>
      addHandoverPatient(tx, { handoverId: id, encounterId, illnessSeverity: 'watcher', patientSummaryEnc }),
    )
    for (let task = 0; task < 5; task += 1) await addTask(ward, { shiftId: fromShiftId, patientId, assignedTo: giver })
    readBacks.push({ patientId })
  }
  await asGiver((tx) => submitHandover(tx, id))

  const answers = await Promise.all(
    Array.from({ length: clients }, (_, index) =>
      untilAnswered(index, () =>
        as(index % 5 === 4 ? giver : receiver, async (tx) => {
          const answer = await acceptHandover(tx, id, readBacks)
          await maybeKill(tx, index)
          return `${answer.status} ${answer.openTaskCount}`
        }),
      ),
    ),
  )

  assert.deepEqual(tally(answers), { 'accepted 15': 120, IM750: 30 })
  const [books] = await hospital.admin.query<Record<string, number>>(
    `select
       (select count(*)::int from tasking.tasks where shift_id = $2 and carried_from_handover_id = $1 and assigned_to = $4) as moved,
       (select count(*)::int from tasking.tasks where shift_id = $3) as left,
       (select count(*)::int from core.outbox_events where event_type = 'handover.accepted.v1' and aggregate_id = $1) as events,
       (select max((vector_clock ->> 'server')::int) from tasking.tasks where carried_from_handover_id = $1) as writes`,
    [id, toShiftId, fromShiftId, receiver],
  )
  assert.deepEqual(books, { moved: 15, left: 0, events: 1, writes: 2 })
})

test('close_shift: 60 tasks are made while the shift closes: it never closes over one, and no task enters a closed shift', async () => {
  const { hospital } = ward
  const [user] = hospital.users
  tried.clear()
  const shiftId = await addShift(hospital, 24)
  const { departmentId } = hospital

  const answers = await Promise.all(
    Array.from({ length: 90 }, (_, index) =>
      untilAnswered(index, () =>
        as(user, async (tx) => {
          if (index % 3 === 0) return closeShift(tx, shiftId)
          const input = { departmentId, title: 'Race', category: 'observation', shiftId, id: idOf(index) }
          await createTask(tx, input)
          await maybeKill(tx, index)
          return 'made'
        }),
      ),
    ),
  )

  const [row] = await hospital.admin.query<{ status: string; tasks: number }>(
    `select s.status, (select count(*)::int from tasking.tasks t where t.shift_id = s.id) as tasks
     from workforce.shifts s where s.id = $1`,
    [shiftId],
  )
  assert.ok(row)
  assert.equal(row.tasks, tally(answers)['made'] ?? 0, 'what a client was told is what the database holds')
  assert.equal(row.status === 'closed', row.tasks === 0, `${row.status} with ${row.tasks} tasks`)
})

const ids = Array.from({ length: 90 }, () => randomUUID())

function idOf(index: number): string {
  const id = ids[index]
  assert.ok(id)
  return id
}

const tried = new Set<number>()

/** On its first try every seventh client dies before it commits, and another one races its commit against its death. */
async function maybeKill(tx: Transaction, index: number): Promise<void> {
  const { admin } = ward.hospital
  if (tried.has(index)) return
  tried.add(index)
  if (index % 7 === 3) await killSession(admin, tx)
  if (index % 7 === 5) void killSession(admin, tx).catch(() => undefined)
}

/** A client that never gives up: after a lost connection or a long wait it asks again, as it must. */
async function untilAnswered(index: number, ask: () => Promise<string>): Promise<string> {
  for (let attempt = 0; attempt < 40; attempt += 1) {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof DatabaseError && error.sqlstate.startsWith('IM')) return error.sqlstate
      if (!mayAskAgain(error)) throw error
    }
  }
  throw new Error(`client ${index} got no answer`)
}

function mayAskAgain(error: unknown): boolean {
  return (
    error instanceof ConnectionLostError ||
    error instanceof ConnectionFailedError ||
    error instanceof CommitUnknownError ||
    (error instanceof DatabaseError && ['57P01', '55P03', '40P01'].includes(error.sqlstate))
  )
}
