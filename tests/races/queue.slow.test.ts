import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DatabaseError, type Transaction } from '@imhotep/postgres'
import {
  addDoctors,
  addPatients,
  addSlots,
  killSession,
  openRaceClinic,
  at,
  type RaceClinic,
} from './clinic.fixture.ts'

interface Token {
  id: string
  token_number: number
  status: string
}

let clinic: RaceClinic

before(async () => {
  clinic = await openRaceClinic(40)
})
after(() => clinic.close())

test('issue_token: 200 askers, some rolled back and some killed, get the numbers 1 to n without a gap', async () => {
  const outcomes = await Promise.all(Array.from({ length: 200 }, (_, index) => issueOrFail('gapless', index)))

  const numbers = outcomes.filter((number) => number !== null).toSorted((a, b) => a - b)
  assert.equal(numbers.length, 150)
  assert.deepEqual(numbers, oneTo(150))
})

test('call_next: 4 counters, killed now and then, call 100 tokens and none of them twice', async () => {
  for (let index = 0; index < 100; index++) await clinic.as((tx) => issue(tx, 'busy'))

  const called = await Promise.all(Array.from({ length: 4 }, () => callAll('busy')))

  assert.deepEqual(
    called.flat().toSorted((a, b) => a - b),
    oneTo(100),
  )
  assert.deepEqual(await statesOf('busy'), { called: 100 })
})

test('call_next: the highest priority goes first, then the lowest number; an empty queue says so (IM153)', async () => {
  for (const priority of [0, 5, 0, 9, 5]) await clinic.as((tx) => issue(tx, 'ordered', priority))

  const order: number[] = []
  for (let turn = 0; turn < 5; turn++) order.push((await clinic.as((tx) => callNext(tx, 'ordered'))).token_number)

  assert.deepEqual(order, [4, 2, 5, 1, 3])
  await assert.rejects(
    clinic.as((tx) => callNext(tx, 'ordered')),
    { sqlstate: 'IM153' },
  )
})

test('check_in: 40 desks check the same patient in at once, and there is one token', async () => {
  const appointment = await bookOne()

  const tokens = await Promise.all(
    Array.from({ length: 40 }, () =>
      clinic.as(async (tx) => {
        const [row] = await tx.query<{ token_id: string }>(
          `select token_id from scheduling.check_in($1, 'checked-in')`,
          [appointment],
        )
        return row?.token_id
      }),
    ),
  )

  assert.equal(new Set(tokens).size, 1)
  assert.deepEqual(await statesOf('checked-in'), { waiting: 1 })
  await assert.rejects(
    clinic.as((tx) => tx.query(`select scheduling.issue_token('elsewhere', 'appointment', null, $1)`, [appointment])),
    { sqlstate: 'IM151' },
  )
})

test('transfer_token: two desks that send a patient on make one token in the other queue', async () => {
  const token = await clinic.as((tx) => issue(tx, 'sender'))

  const sent = await Promise.all(
    Array.from({ length: 10 }, () =>
      clinic.as(
        async (tx) => (await tx.query<Token>(`select * from scheduling.transfer_token($1, 'receiver')`, [token.id]))[0],
      ),
    ),
  )

  assert.equal(new Set(sent.map((row) => row?.id)).size, 1)
  assert.deepEqual([await statesOf('sender'), await statesOf('receiver')], [{ transferred: 1 }, { waiting: 1 }])
})

test('serving a token: called, skipped, recalled, served and done; a finished token cannot be called again', async () => {
  const { id } = await clinic.as((tx) => issue(tx, 'served'))
  const step = (operation: string) =>
    clinic.as(async (tx) => (await tx.query<Token>(`select * from scheduling.${operation}($1)`, [id]))[0]?.status)

  await clinic.as((tx) => callNext(tx, 'served'))
  const states = []
  for (const operation of ['recall_token', 'skip_token', 'recall_token', 'start_service', 'finish_service']) {
    states.push(await step(operation))
  }

  assert.deepEqual(states, ['called', 'skipped', 'called', 'in_service', 'done'])
  await assert.rejects(step('recall_token'), { sqlstate: 'IM001' })
})

test('issue_token: refuses a past day (IM150); a scan-and-share token lapses (IM152) and is not called', async () => {
  await assert.rejects(
    clinic.as((tx) =>
      tx.query(`select scheduling.issue_token('closed', 'kiosk', $1, p_queue_date => current_date - 2)`, [
        clinic.clinic,
      ]),
    ),
    { sqlstate: 'IM150' },
  )

  const token = await clinic.as(async (tx) => {
    const [row] = await tx.query<Token>(
      `select * from scheduling.issue_token('scan', 'abdm_scan_share', $1, p_abdm_request_id => gen_random_uuid())`,
      [clinic.clinic],
    )
    return row
  })
  await clinic.asSuperuser(
    `update scheduling.queue_management set token_expires_at = now() - interval '1 second' where id = $1`,
    [token?.id],
  )

  await assert.rejects(
    clinic.as((tx) => callNext(tx, 'scan')),
    { sqlstate: 'IM153' },
  )
  await assert.rejects(
    clinic.as((tx) => tx.query('select scheduling.leave_queue($1)', [token?.id])),
    { sqlstate: 'IM152' },
  )
  const expired = await clinic.as((tx) => tx.query<{ count: number }>('select scheduling.expire_tokens() as count'))
  assert.equal(expired[0]?.count, 1)
  assert.deepEqual(await statesOf('scan'), { expired: 1 })
})

/** The number, or null for an asker that rolled back (every eighth) or was killed (another eighth). */
async function issueOrFail(queue: string, index: number): Promise<number | null> {
  const givesBack = index % 8 === 1
  const isKilled = index % 8 === 5
  try {
    return await clinic.as(async (tx) => {
      const token = await issue(tx, queue)
      if (givesBack) throw new Error('rolled back on purpose')
      if (isKilled) {
        await killSession(clinic.superuser, tx)
        await tx.query('select 1') // a killed session shows at the latest here
      }
      return token.token_number
    })
  } catch (error) {
    if (givesBack || isKilled) return null
    throw error
  }
}

/** Calls until the queue is empty; every tenth call dies before it commits, and its token is called again. */
async function callAll(queue: string): Promise<number[]> {
  const called: number[] = []
  for (let turn = 1; ; turn++) {
    const isKilled = turn % 10 === 0
    try {
      called.push(
        await clinic.as(async (tx) => {
          const token = await callNext(tx, queue)
          if (isKilled) {
            await killSession(clinic.superuser, tx)
            await tx.query('select 1')
          }
          return token.token_number
        }),
      )
    } catch (error) {
      if (isEmpty(error)) {
        // Another counter may die with the last token in its hands: the queue is empty when nobody holds one.
        if ((await statesOf(queue))['waiting'] === undefined) return called
      } else if (!isKilled) throw error
    }
  }
}

function isEmpty(error: unknown): boolean {
  return error instanceof DatabaseError && error.sqlstate === 'IM153'
}

async function issue(tx: Transaction, queue: string, priority = 0): Promise<Token> {
  const [row] = await tx.query<Token>(
    `select id, token_number, status from scheduling.issue_token($1, 'kiosk', $2, p_priority => $3)`,
    [queue, clinic.clinic, priority],
  )
  assert.ok(row)
  return row
}

async function callNext(tx: Transaction, queue: string): Promise<Token> {
  const [row] = await tx.query<Token>('select id, token_number, status from scheduling.call_next($1)', [queue])
  assert.ok(row)
  return row
}

async function statesOf(queue: string): Promise<Record<string, number>> {
  const rows = await clinic.superuser.query<{ status: string; count: number }>(
    'select status, count(*)::int as count from scheduling.queue_management where queue_key = $1 group by status',
    [queue],
  )
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]))
}

async function bookOne(): Promise<string> {
  const doctor = at(await addDoctors(clinic, 1), 0)
  const patient = at(await addPatients(clinic, 1), 0)
  const slot = at(await addSlots(clinic, doctor, { capacity: 1, count: 1, day: 5 }), 0)
  const [row] = await clinic.as((tx) =>
    tx.query<{ appointment_id: string }>(`select appointment_id from booking.create_booking('for-check-in', $1, $2)`, [
      patient,
      slot,
    ]),
  )
  assert.ok(row)
  return row.appointment_id
}

function oneTo(n: number): number[] {
  return Array.from({ length: n }, (_, index) => index + 1)
}
