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
import { configureSeries } from '../../packages/domain/src/core/numbers.ts'
import {
  openLaboratory,
  orderTests,
  type Laboratory,
  type OpenOrder,
} from '../../packages/domain/src/laboratory/laboratory.fixture.ts'
import { placeLabOrder } from '../../packages/domain/src/laboratory/orders.ts'
import {
  accessionOrder,
  changeSampleState,
  type ChangeSampleStateInput,
} from '../../packages/domain/src/laboratory/samples.ts'
import { contextOf } from '../support/tenants.ts'
import { at, killSome, openRaceClinic, type RaceClinic } from './clinic.fixture.ts'

const clients = 150
let clinic: RaceClinic
let laboratory: Laboratory

before(async () => {
  clinic = await openRaceClinic(clients)
  const { app, superuser, tenant, department } = clinic
  const users = [randomUUID(), randomUUID()] as const
  await withTenant(superuser, contextOf(tenant), async (tx) => {
    await configureSeries(tx, { scope: 'mrn', series: '', prefix: 'MRN', pad: 6 })
    for (const [index, user] of users.entries()) {
      await tx.query(
        `insert into auth.users (tenant_id, id, username, display_name, primary_role, email_enc, email_bidx)
         values ($1, $2, $3, 'Test', 'receptionist', '\\x01', sha256(convert_to($3::text, 'UTF8')))`,
        [tenant, user, `user${index}`],
      )
    }
  })
  laboratory = await openLaboratory({
    app,
    admin: superuser,
    tenant,
    users,
    clinicId: clinic.clinic,
    departmentId: department,
    run: (work, changes = {}) => withTenant(app, { ...contextOf(tenant), user: users[0], ...changes }, work),
  })
})
after(() => clinic.close())

test('change_sample_state: 150 clients drive one sample through its life, many killed: one event for each state', async () => {
  const { samples } = await order(['HB'])
  const sampleId = at(samples, 0).id
  const path = ['collected', 'in_transit', 'received', 'accessioned', 'in_process', 'tested', 'stored'] as const

  const winners = new Map<string, string[]>()
  for (const to of path) {
    const outcomes = await Promise.all(
      Array.from({ length: clients }, (_, index) => {
        const clientOpId = randomUUID()
        const details = to === 'collected' ? ({ patientIdCheck: 'two_identifiers' } as const) : {}
        return moveUntilAnswered(index, { sampleId, to, clientOpId, ...details })
      }),
    )
    winners.set(
      to,
      outcomes.filter((outcome) => outcome !== 'IM300'),
    )
  }

  const events = await clinic.superuser.query<{ id: string; state: string }>(
    'select id, to_status as state from laboratory.sample_events where sample_id = $1 order by occurred_at',
    [sampleId],
  )
  assert.deepEqual(
    events.map(({ state }) => state),
    ['planned', ...path],
  )
  for (const [index, to] of path.entries()) assert.deepEqual(winners.get(to), [at(events, index + 1).id])
  assert.deepEqual(await outOfStep(), [])
})

test('change_sample_state: an offline move that 150 connections send at once is one event, and each gets it', async () => {
  const { samples } = await order(['K'])
  const sampleId = at(samples, 0).id
  const move = { sampleId, to: 'collected', clientOpId: randomUUID(), patientIdCheck: 'wristband_scan' } as const

  const outcomes = await Promise.all(Array.from({ length: clients }, (_, index) => moveUntilAnswered(index, move)))

  assert.equal(new Set(outcomes).size, 1)
  assert.notEqual(outcomes[0], 'IM300')
  assert.deepEqual(await outOfStep(), [])
})

test('change_sample_state: a sample that is received and rejected at once ends as one of both, with one replacement', async () => {
  const orders = await Promise.all(Array.from({ length: 20 }, () => order(['K'])))
  await Promise.all(
    orders.flatMap(({ samples }) => {
      const sampleId = at(samples, 0).id
      return Array.from({ length: 6 }, async (_, index) => {
        await moveUntilAnswered(index, { sampleId, to: 'collected', patientIdCheck: 'two_identifiers' })
        if (index % 2 === 0) await moveUntilAnswered(index, { sampleId, to: 'received' })
        else await moveUntilAnswered(index, { sampleId, to: 'rejected', reasonCode: 'clotted' })
      })
    }),
  )

  const rows = await clinic.superuser.query<{ status: string; replacements: number }>(
    `select s.status::text, (
       select count(*)::int from laboratory.samples n where n.recollection_of_id = s.id
     ) as replacements
     from laboratory.samples s
     where s.order_id = any ($1) and s.recollection_of_id is null`,
    [orders.map(({ orderId }) => orderId)],
  )
  for (const { status, replacements } of rows) assert.equal(replacements, status === 'rejected' ? 1 : 0)
  assert.deepEqual(await outOfStep(), [])
})

test('accession: 150 orders at once, many killed: every number once, without gaps', async () => {
  const { patientId, doctorId, hospital } = laboratory
  const [first] = await clinic.superuser.query<{ n: number }>(
    `select max(substring(accession_number, '[0-9]+$')::int) as n from laboratory.samples`,
  )

  const samples = await Promise.all(
    Array.from({ length: clients }, (_, index) =>
      untilAnswered(index, async (tx) => {
        const placed = await placeLabOrder(tx, {
          patientId,
          codes: ['HB', 'K'],
          clinicId: hospital.clinicId,
          orderingDoctorId: doctorId,
          key: `race-order-${index}`,
        })
        return accessionOrder(tx, placed.id)
      }),
    ),
  )

  const numbers = samples.flat().map(({ accessionNumber }) => Number(/\d+$/.exec(accessionNumber)?.[0]))
  assert.deepEqual(
    numbers.toSorted((a, b) => a - b),
    Array.from({ length: 2 * clients }, (_, index) => (first?.n ?? 0) + index + 1),
  )
  const [orders] = await clinic.superuser.query<{ n: number }>(
    `select count(*)::int as n from core.idempotency_keys where operation = 'laboratory.place_order'`,
  )
  assert.equal(orders?.n, clients)
})

/** The id of the event, or IM300 when somebody else was first. */
function moveUntilAnswered(index: number, input: ChangeSampleStateInput): Promise<string> {
  return untilAnswered(index, (tx) => changeSampleState(tx, input)).then(
    ({ id }) => id,
    (error: unknown) => {
      if (error instanceof DatabaseError && error.sqlstate === 'IM300') return 'IM300'
      throw error
    },
  )
}

/** A kill that came late may still meet a session that serves this. */
function order(codes: readonly string[]): Promise<OpenOrder> {
  return again(`order of ${codes.join()}`, () => orderTests(laboratory, codes))
}

function untilAnswered<T>(index: number, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return again(`client ${index}`, (attempt) =>
    laboratory.asFirst(async (tx) => {
      const answer = await work(tx)
      await killSome(clinic.superuser, tx, index, attempt)
      return answer
    }),
  )
}

/** Never gives up: after a lost connection or a lock that took too long it asks again, as a client must. */
async function again<T>(who: string, work: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < 60; attempt++) {
    try {
      return await work(attempt)
    } catch (error) {
      if (!isTransient(error)) throw error
    }
  }
  throw new Error(`${who}: no answer`)
}

/** A lost connection, 57P01 admin_shutdown, 55P03 lock_not_available, or a commit whose outcome nobody learnt. */
function isTransient(error: unknown): boolean {
  return (
    error instanceof ConnectionLostError ||
    error instanceof ConnectionFailedError ||
    error instanceof CommitUnknownError ||
    (error instanceof DatabaseError && ['57P01', '55P03'].includes(error.sqlstate))
  )
}

/** Samples whose newest event is not their state, or that have a state without an event. */
function outOfStep(): Promise<unknown[]> {
  return clinic.superuser.query(`
    select s.id, s.status, e.states
    from laboratory.samples s
    cross join lateral (
      select array_agg(e.to_status order by e.occurred_at) as states
      from laboratory.sample_events e
      where e.tenant_id = s.tenant_id and e.sample_id = s.id
    ) e
    where e.states[array_length(e.states, 1)] <> s.status::text`)
}
