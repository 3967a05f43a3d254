import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  CommitUnknownError,
  ConnectionFailedError,
  ConnectionLostError,
  DatabaseError,
  type Transaction,
} from '@imhotep/postgres'
import {
  addRecipient,
  addRequest,
  addUnit,
  at,
  openBloodBank,
  type BloodBank,
} from '../../packages/domain/src/blood_bank/blood-bank.fixture.ts'
import { issueUnit, returnUnit } from '../../packages/domain/src/blood_bank/issue.ts'
import type { BloodIssue, BloodRequest, BloodUnit } from '../../packages/domain/src/blood_bank/rows-of-units.ts'
import { killSession } from './clinic.fixture.ts'

const clients = 150
let bank: BloodBank

before(async () => {
  bank = await openBloodBank(clients)
})
after(() => bank.close())

test('issue_unit: 150 clients for 30 patients want one unit, many are killed: one live issue, everybody learns of it', async () => {
  const unit = await addUnit(bank, 'AB+', 'FFP')
  const requests: BloodRequest[] = []
  for (let index = 0; index < 30; index++) {
    requests.push(await addRequest(bank, await addRecipient(bank, 'AB+'), 1, 'FFP'))
  }

  const answers = await Promise.all(
    Array.from({ length: clients }, (_, index) => issueUntilAnswered(index, unit, at(requests, index % 30))),
  )

  const issued = answers.filter((answer): answer is BloodIssue => typeof answer !== 'string')
  assert.equal(new Set(issued.map(({ id }) => id)).size, 1)
  assert.equal(issued.length, clients / 30, 'each of the five clients of the request got the same issue')
  assert.deepEqual([...new Set(answers.filter((answer) => typeof answer === 'string'))], ['IM354'])
  assert.deepEqual(await outOfStep(), [])
  assert.equal(await liveIssues(unit), 1)
})

test('issue_unit: 120 clients want 40 units for one request of 12: twelve leave, never one more', async () => {
  const request = await addRequest(bank, await addRecipient(bank, 'O+'), 12, 'FFP')
  const units: BloodUnit[] = []
  for (let index = 0; index < 40; index++) units.push(await addUnit(bank, 'O+', 'FFP'))
  const wanted = units.flatMap((unit) => [unit, unit, unit])

  const answers = await Promise.all(wanted.map((unit, index) => issueUntilAnswered(index, unit, request)))

  const issued = answers.filter((answer): answer is BloodIssue => typeof answer !== 'string')
  assert.equal(new Set(issued.map(({ componentId }) => componentId)).size, 12)
  assert.deepEqual([...new Set(answers.filter((answer) => typeof answer === 'string'))], ['IM360'])
  assert.deepEqual(await outOfStep(), [])
})

test('issue_unit and return_unit: units that come and go at once keep count, stock and trail in step', async () => {
  const requests: BloodRequest[] = []
  for (let index = 0; index < 20; index++) {
    requests.push(await addRequest(bank, await addRecipient(bank, 'A+'), 1, 'FFP'))
  }
  const units: BloodUnit[] = []
  for (let index = 0; index < 5; index++) units.push(await addUnit(bank, 'A+', 'FFP'))

  await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const answer = await issueUntilAnswered(index, at(units, index % 5), at(requests, index % 20))
      if (typeof answer === 'string') return
      const [takenBackBy, returnedBy] = bank.staff
      const back = { issueId: answer.id, minutesOut: 1, sealIntact: true, returnedBy, takenBackBy, reason: 'race' }
      await untilAnswered((tx) => returnUnit(tx, back))
    }),
  )

  assert.deepEqual(await outOfStep(), [])
  const [row] = await bank.admin.query<{ free: number }>(
    `select count(*)::int as free from blood_bank.blood_components
     where status = 'available' and id = any ($1)`,
    [units.map(({ id }) => id)],
  )
  assert.equal(row?.free, 5)
})

/** The issue, or the SQLSTATE of the refusal; the first attempt of some clients is killed. */
function issueUntilAnswered(index: number, unit: BloodUnit, request: BloodRequest): Promise<BloodIssue | string> {
  const [issuedBy, receivedBy] = bank.staff
  const input = { componentId: unit.id, requestId: request.id, issuedBy, receivedBy, labelCheckBy: issuedBy }
  return untilAnswered(async (tx, attempt) => {
    const issue = await issueUnit(tx, { ...input, reason: 'race' })
    if (attempt === 0 && index % 7 === 3) await killSession(bank.admin, tx)
    // not awaited: the kill and the commit race, and the client cannot know which of them won
    if (attempt === 0 && index % 7 === 5) void killSession(bank.admin, tx).catch(() => undefined)
    return issue
  })
}

/** A client that lost its connection, or waited too long for a lock, asks again, as it must. */
async function untilAnswered<T>(work: (tx: Transaction, attempt: number) => Promise<T>): Promise<T | string> {
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      return await bank.run((tx) => work(tx, attempt))
    } catch (error) {
      if (error instanceof DatabaseError && error.sqlstate.startsWith('IM')) return error.sqlstate
      if (!isPassing(error)) throw error
    }
  }
  throw new Error('a client got no answer')
}

function isPassing(error: unknown): boolean {
  return (
    error instanceof ConnectionLostError ||
    error instanceof ConnectionFailedError ||
    error instanceof CommitUnknownError ||
    (error instanceof DatabaseError && ['57P01', '55P03'].includes(error.sqlstate))
  )
}

async function liveIssues(unit: BloodUnit): Promise<number> {
  const [row] = await bank.admin.query<{ n: number }>(
    `select count(*)::int as n from blood_bank.blood_issues where component_id = $1 and status <> 'returned'`,
    [unit.id],
  )
  return row?.n ?? 0
}

/** Requests and units whose counts, states and trails do not say the same. */
function outOfStep(): Promise<unknown[]> {
  return bank.admin.query(`
    select r.id, r.units_issued, r.units_requested
    from blood_bank.blood_requests r
    where r.units_issued > r.units_requested or r.units_issued <> (
      select count(*) from blood_bank.blood_issues i where i.request_id = r.id and i.status <> 'returned'
    )
    union all
    select c.id, 0, 0
    from blood_bank.blood_components c
    where
      (c.status = 'issued') <> exists (
        select from blood_bank.blood_issues i where i.component_id = c.id and i.status <> 'returned'
      )
      or c.status <> (
        select e.to_status from blood_bank.component_events e
        where e.component_id = c.id order by e.occurred_at desc, e.id desc limit 1
      )`)
}
