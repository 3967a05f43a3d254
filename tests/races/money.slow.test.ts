import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import {
  CommitUnknownError,
  ConnectionFailedError,
  ConnectionLostError,
  DatabaseError,
  type Transaction,
} from '@imhotep/postgres'
import { addBill, addUsers, booksOutOfStep, openMoneyAccount } from '../billing/money.fixture.ts'
import { at, killSome, openRaceClinic, type RaceClinic } from './clinic.fixture.ts'

const clients = 150
let clinic: RaceClinic
let cashier: string

before(async () => {
  clinic = await openRaceClinic(clients)
  cashier = at(await addUsers(clinic, 1), 0)
})
after(() => clinic.close())

test('issue_invoice: 1,000 bills from 20 clients, many killed before or during commit: no number missing, none twice', async () => {
  const accounts = await Promise.all(Array.from({ length: 40 }, () => openMoneyAccount(clinic)))

  await Promise.all(
    Array.from({ length: 20 }, async (_, client) => {
      for (let turn = 0; turn < 50; turn++) {
        const number = client * 50 + turn
        const { accountId, chargeId } = at(accounts, number % accounts.length)
        const source = randomUUID()
        await untilAnswered(number, async (tx) => {
          const [item] = await tx.query<{ id: string }>(`select id from billing.add_charge($1, $2, 'manual', $3, 1)`, [
            accountId,
            chargeId,
            source,
          ])
          const [bill] = await tx.query<{ id: string }>(
            'select id from billing.issue_invoice($1, array[$2::uuid], p_key => $3)',
            [accountId, item?.id, `race-bill-${number}`],
          )
          return bill?.id
        })
      }
    }),
  )

  const numbers = await clinic.superuser.query<{ counter: number }>(
    `select substring(invoice_number, '[0-9]+$')::int as counter from billing.invoices order by 1`,
  )
  assert.deepEqual(
    numbers.map(({ counter }) => counter),
    Array.from({ length: 1000 }, (_, index) => index + 1),
  )
  assert.deepEqual(await booksOutOfStep(clinic), [])
})

test('allocate: 150 clients on 5 payments and 5 bills, many killed: nothing is over-allocated, nothing counted twice', async () => {
  const account = await openMoneyAccount(clinic)
  const bills = await Promise.all(Array.from({ length: 5 }, () => addBill(clinic, account, 1000)))
  const payments = await Promise.all(
    Array.from({ length: 5 }, (_, index) =>
      clinic.as(async (tx) => {
        const [payment] = await tx.query<{ id: string }>(`select id from payment.receive($1, 'upi', 900, null, $2)`, [
          `race-payment-${index}`,
          account.accountId,
        ])
        return payment?.id ?? ''
      }, cashier),
    ),
  )

  const outcomes = await Promise.all(
    Array.from({ length: clients }, (_, client) =>
      untilAnswered(client, (tx) =>
        tx.query('select payment.allocate($1, $2, 70, $3)', [
          at(payments, client % 5),
          at(bills, Math.floor(client / 5) % 5).invoiceId,
          `allocate-${client}`,
        ]),
      ).then(
        () => 'allocated',
        (error: unknown) => (error instanceof DatabaseError ? error.sqlstate : String(error)),
      ),
    ),
  )

  // 12 times 70 fits into each payment of 900, whichever bills are full by then
  const { allocated, ...refused } = tally(outcomes)
  assert.equal(allocated, 60)
  assert.deepEqual(
    Object.keys(refused).filter((code) => code !== 'IM554' && code !== 'IM555'),
    [],
  )
  const [sum] = await clinic.superuser.query(
    'select sum(amount)::int as sum from billing.payment_allocations where payment_id = any ($1)',
    [payments],
  )
  assert.deepEqual(sum, { sum: 60 * 70 })
  assert.deepEqual(await booksOutOfStep(clinic), [])
})

test('record_provider_result: 100 reports of one capture at once are one payment that pays the bill once', async () => {
  const account = await openMoneyAccount(clinic)
  const { invoiceId } = await addBill(clinic, account, 500)
  const provider = randomUUID()
  const intent = await clinic.as(async (tx) => {
    await tx.query(
      `insert into payment.payment_providers (tenant_id, id, code, kind, display, secret_ref)
      values ($1, $2, 'race', 'upi', 'Race', 'vault://pay/race')`,
      [clinic.tenant, provider],
    )
    const [row] = await tx.query<{ id: string }>(
      `select id from payment.create_intent('race-intent', 'invoice', 500, 'qr', $1, $2, p_provider_id => $3)`,
      [[{ purpose: 'invoice', invoice_id: invoiceId, amount: '500' }], account.accountId, provider],
    )
    return row?.id
  })

  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, client) =>
      untilAnswered(client, (tx) =>
        tx.query<{ payment_id: string }>(
          `select payment_id from payment.record_provider_result($1, 'race-ref', 'captured', $2, 500)`,
          [provider, intent],
        ),
      ),
    ),
  )

  assert.equal(new Set(answers.map(([row]) => row?.payment_id)).size, 1)
  assert.deepEqual(
    await clinic.superuser.query('select status, allocated from billing.invoices where id = $1', [invoiceId]),
    [{ status: 'paid', allocated: '500.00' }],
  )
  assert.deepEqual(await booksOutOfStep(clinic), [])
})

test('add_charge: 100 clients charge the same 10 sources on one account: ten charges, and the total is theirs', async () => {
  const { accountId, chargeId } = await openMoneyAccount(clinic)
  const sources = Array.from({ length: 10 }, () => randomUUID())

  await Promise.all(
    Array.from({ length: 100 }, (_, client) =>
      untilAnswered(client, (tx) =>
        tx.query(`select billing.add_charge($1, $2, 'manual', $3, 1)`, [accountId, chargeId, at(sources, client % 10)]),
      ),
    ),
  )

  assert.deepEqual(
    await clinic.superuser.query('select total_charged from billing.accounts where id = $1', [accountId]),
    [{ total_charged: '1000.00' }],
  )
  assert.deepEqual(await booksOutOfStep(clinic), [])
})

/** A client that never gives up: after a lost connection, or a lock that took too long, it does its work again. */
async function untilAnswered<T>(client: number, work: (tx: Transaction) => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < 40; attempt++) {
    try {
      return await clinic.as(async (tx) => {
        const answer = await work(tx)
        await killSome(clinic.superuser, tx, client, attempt)
        return answer
      }, cashier)
    } catch (error) {
      if (!mayTryAgain(error)) throw error
    }
  }
  throw new Error(`client ${client} got no answer`)
}

function mayTryAgain(error: unknown): boolean {
  if (error instanceof ConnectionLostError || error instanceof ConnectionFailedError) return true
  if (error instanceof CommitUnknownError) return true
  return error instanceof DatabaseError && ['57P01', '55P03', '40P01', '40001'].includes(error.sqlstate ?? '')
}

function tally(outcomes: readonly (string | undefined)[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const outcome of outcomes) counts[String(outcome)] = (counts[String(outcome)] ?? 0) + 1
  return counts
}
