import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { withTenant } from '@imhotep/kernel'
import type { Transaction } from '@imhotep/postgres'
import { contextOf } from '../support/tenants.ts'
import { addDoctors, addPatients, at, openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'
import { addBill, addUsers, booksOutOfStep, openMoneyAccount, type Bill } from './money.fixture.ts'

let clinic: RaceClinic
let cashier: string

before(async () => {
  clinic = await openRaceClinic(5)
  cashier = at(await addUsers(clinic, 1), 0)
})
after(() => clinic.close())

test('billing.invoices: lines that do not add up to the totals are refused at commit (IM553)', async () => {
  const { accountId, patient, chargeId } = await bill()

  await assert.rejects(
    superuser(async (tx) => {
      const invoice = await insertDraft(tx, accountId, patient, 100)
      await insertLine(tx, invoice, chargeId, 90)
      await issue(tx, invoice, 'X-1')
    }),
    { sqlstate: 'IM553' },
  )
})

test('billing.invoices: a number that is longer than 16 characters or used twice is refused', async () => {
  const { accountId, patient, chargeId } = await bill()
  const issueAs = (number: string) =>
    superuser(async (tx) => {
      const invoice = await insertDraft(tx, accountId, patient, 100)
      await insertLine(tx, invoice, chargeId, 100)
      await issue(tx, invoice, number)
    })

  await assert.rejects(issueAs('A'.repeat(17)), { constraint: 'invoices_number_form' })
  await issueAs('X-2')
  await assert.rejects(issueAs('X-2'), { constraint: 'invoices_number_once_a_year' })
})

test('billing.invoices: once issued neither header nor lines change, for nobody (IM550, IM006)', async () => {
  const { invoiceId, chargeId } = await bill()

  await assert.rejects(
    superuser((tx) => tx.query('update billing.invoices set due_on = current_date where id = $1', [invoiceId])),
    { sqlstate: 'IM550' },
  )
  await assert.rejects(
    superuser((tx) => insertLine(tx, invoiceId, chargeId, 1)),
    { sqlstate: 'IM550' },
  )
  await assert.rejects(
    superuser((tx) => tx.query('update billing.invoice_items set net = 1 where invoice_id = $1', [invoiceId])),
    { sqlstate: 'IM006' },
  )
})

test('billing.invoices: the state follows the counters; whoever sets it by hand gets the derived one', async () => {
  const { invoiceId } = await bill()

  await superuser((tx) => tx.query(`update billing.invoices set status = 'paid' where id = $1`, [invoiceId]))

  assert.deepEqual(await clinic.superuser.query('select status from billing.invoices where id = $1', [invoiceId]), [
    { status: 'issued' },
  ])
})

test('billing.ledger_entries: a transaction that does not balance is refused at commit (IM553), and nothing changes', async () => {
  await bill()
  const post = (tx: Transaction, debit: number) =>
    tx.query(`select billing.post_entries('test', $1, $2, null, 'INR', $3)`, [
      randomUUID(),
      clinic.clinic,
      [
        { account: 'cash', debit },
        { account: 'advance', debit: -100 },
      ],
    ])

  await assert.rejects(
    superuser((tx) => post(tx, 99)),
    { sqlstate: 'IM553' },
  )
  await superuser((tx) => post(tx, 100))
  await assert.rejects(
    superuser((tx) => tx.query('update billing.ledger_entries set amount = 1')),
    { sqlstate: 'IM006' },
  )
  await assert.rejects(
    superuser((tx) => tx.query('truncate billing.ledger_entries')),
    { sqlstate: 'IM006' },
  )
})

test('billing.charge_items: a source is charged once per charge, whoever inserts', async () => {
  const { accountId } = await bill()

  await assert.rejects(
    superuser((tx) =>
      tx.query(
        `insert into billing.charge_items
          (tenant_id, account_id, charge_id, patient_id, source_type, source_id, occurred_at, quantity, unit_price,
          tax_rate, net)
        select tenant_id, account_id, charge_id, patient_id, source_type, source_id, now(), 1, 1, 0, 1
        from billing.charge_items where account_id = $1 limit 1`,
        [accountId],
      ),
    ),
    { constraint: 'charge_items_once_per_source' },
  )
})

test('billing.tariffs: two prices for one charge, payer, class and clinic never overlap', async () => {
  const { chargeId } = await bill()
  const staff = at(await addDoctors(clinic, 1), 0)
  const price = (from: string, to: string) =>
    superuser((tx) =>
      tx.query(
        `insert into billing.tariffs (tenant_id, charge_id, price, valid_during, approved_by)
        values ($1, $2, 10, daterange($3, $4), $5)`,
        [clinic.tenant, chargeId, from, to, staff],
      ),
    )

  await price('2030-01-01', '2031-01-01')
  await price('2031-01-01', '2032-01-01')
  await assert.rejects(price('2030-06-01', '2030-07-01'), { constraint: 'tariffs_one_price_a_day' })
})

test('billing.allocate: a patient of the scheme never pays what the scheme is billed (IM006)', async () => {
  const payer = await addPayer(clinic)
  const account = await openMoneyAccount(clinic, { payerClass: 'pmjay' })
  const { invoiceId } = await addBill(clinic, account, 100, payer)
  const [payment] = await clinic.as(
    (tx) =>
      tx.query<{ id: string }>(`select id from payment.receive('scheme-cash', 'upi', 100, null, $1)`, [
        account.accountId,
      ]),
    cashier,
  )

  await assert.rejects(
    clinic.as((tx) => tx.query('select payment.allocate($1, $2, 100)', [payment?.id, invoiceId])),
    { sqlstate: 'IM006' },
  )
  const [row] = await clinic.superuser.query('select balance from billing.accounts where id = $1', [account.accountId])
  assert.deepEqual(row, { balance: '-100.00' })
})

test('booksOutOfStep: knows money and credit of one account that pay a bill of another, and what a payer owes', async (t) => {
  const own = await openRaceClinic(2)
  t.after(() => own.close())
  const cashierHere = at(await addUsers(own, 1), 0)
  const payer = await addPayer(own)
  const one = await openMoneyAccount(own)
  const other = await openMoneyAccount(own, { patient: one.patient })
  const [paid, open, owed] = [
    await addBill(own, one, 300),
    await addBill(own, other, 200),
    await addBill(own, other, 500, payer),
  ]
  await own.as(async (tx) => {
    const [payment] = await tx.query<{ id: string }>(
      `select id from payment.receive('two-accounts', 'upi', 700, null, $1)`,
      [one.accountId],
    )
    for (const [invoice, amount] of [
      [paid, 300],
      [open, 100],
      [owed, 250],
    ] as const)
      await tx.query('select payment.allocate($1, $2, $3)', [payment?.id, invoice.invoiceId, amount])
    await tx.query(`select billing.allocate_credit(n.id, $2, 100) from billing.issue_credit_note($1, 'not done') n`, [
      paid.invoiceId,
      open.invoiceId,
    ])
  }, cashierHere)

  assert.deepEqual(await booksOutOfStep(own), [])
  await own.asSuperuser('update billing.accounts set total_paid = total_paid + 1 where id = $1', [other.accountId])
  assert.equal((await booksOutOfStep(own)).length, 1)
})

test('clinical.admissions: not cleared for discharge while charges are unbilled or more than the credit is owed (IM203)', async () => {
  const [doctor, patient] = [at(await addDoctors(clinic, 1), 0), at(await addPatients(clinic, 1), 0)]
  const [encounter, admission] = [randomUUID(), randomUUID()]
  await superuser(async (tx) => {
    await tx.query(
      `insert into clinical.encounters
        (tenant_id, id, encounter_number, patient_id, clinic_id, department_id, class, priority, period, payer_class)
      values ($1, $2, 'ENC-203', $3, $4, $5, 'IMP', 'routine', tstzrange(now(), null), 'self')`,
      [clinic.tenant, encounter, patient, clinic.clinic, clinic.department],
    )
    // the states before it are another module's business
    await tx.query(`set local session_replication_role = 'replica'`)
    await tx.query(
      `insert into clinical.admissions
        (tenant_id, id, encounter_id, admission_number, admission_type, requested_at, care_class, admitting_doctor_id, status,
        admitted_at, discharge_ordered_at, discharge_ordered_by, discharge_kind)
      select $1, $2, $3, 'IPD-203', 'elective', now(), 'general', d.id, 'clinically_discharged', now(), now(), d.staff_id, 'normal'
      from workforce.doctors d where d.tenant_id = $1 and d.id = $4`,
      [clinic.tenant, admission, encounter, doctor],
    )
  })
  const account = await openMoneyAccount(clinic, { patient, encounter })
  const clear = () =>
    superuser((tx) =>
      tx.query(
        `update clinical.admissions set status = 'billing_cleared', billing_cleared_at = now(), discharge_kind = 'normal'
        where id = $1 and status <> 'billing_cleared'`,
        [admission],
      ),
    )

  await clinic.as((tx) =>
    tx.query(`select billing.add_charge($1, $2, 'manual', $3, 1)`, [account.accountId, account.chargeId, randomUUID()]),
  )
  await assert.rejects(clear(), { sqlstate: 'IM203' })
  await clinic.as((tx) => tx.query('select billing.issue_invoice($1)', [account.accountId]))
  await assert.rejects(clear(), { sqlstate: 'IM203' })
  await clinic.as((tx) => tx.query(`select billing.set_credit_limit($1, 100, 'pays tomorrow')`, [account.accountId]))
  await clear()
})

test('billing: applications write no bill, charge, allocation or ledger line by themselves', async () => {
  const grants = await clinic.superuser.query(
    `select table_name, privilege_type from information_schema.role_table_grants
    where table_schema = 'billing' and grantee in ('billing_app', 'imhotep_app') and privilege_type <> 'SELECT'
      and table_name not in ('charge_master', 'tariffs')`,
  )

  assert.deepEqual(grants, [])
})

async function bill(): Promise<Bill & { accountId: string; patient: string; chargeId: string }> {
  const account = await openMoneyAccount(clinic)
  return { ...account, ...(await addBill(clinic, account, 100)) }
}

/** Runs work that no application may do, in the tenant. */
function superuser<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
  return withTenant(clinic.superuser, contextOf(clinic.tenant), work)
}

async function insertDraft(tx: Transaction, accountId: string, patient: string, total: number): Promise<string> {
  const id = randomUUID()
  await tx.query(
    `insert into billing.invoices (tenant_id, id, kind, account_id, patient_id, clinic_id, subtotal, total, currency)
    values ($1, $2, 'bill_of_supply', $3, $4, $5, $6, $6, 'INR')`,
    [clinic.tenant, id, accountId, patient, clinic.clinic, total],
  )
  return id
}

function insertLine(tx: Transaction, invoice: string, chargeId: string, price: number): Promise<unknown> {
  return tx.query(
    `insert into billing.invoice_items
      (tenant_id, invoice_id, line_no, charge_id, description, quantity, unit_price, tax_rate, net)
    values ($1, $2, 99, $3, 'Test', 1, $4, 0, $4)`,
    [clinic.tenant, invoice, chargeId, price],
  )
}

function issue(tx: Transaction, invoice: string, number: string): Promise<unknown> {
  return tx.query(
    `update billing.invoices
    set status = 'issued', invoice_number = $2, fiscal_year = 'FY2030-31', issued_at = now() where id = $1`,
    [invoice, number],
  )
}

async function addPayer({ asSuperuser, tenant }: RaceClinic): Promise<string> {
  const payer = randomUUID()
  await asSuperuser(
    `insert into insurance.payers
      (tenant_id, id, code, name, kind, preauth_tat_minutes, query_response_hours, claim_submit_days, settle_days,
      rules_effective)
    values ($1, $2, $3, 'Scheme', 'government_scheme', 60, 24, 7, 15, '[2020-01-01,)')`,
    [tenant, payer, `P${payer.slice(0, 8)}`],
  )
  return payer
}
