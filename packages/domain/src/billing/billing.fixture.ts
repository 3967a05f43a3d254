import { randomUUID } from 'node:crypto'
import { withTenant } from '@imhotep/kernel'
import { addPatient, type Hospital } from '../hospital.fixture.ts'
import { openAccount } from './accounts.ts'
import { addCharge, type ChargeItem } from './charges.ts'

/** Sends one statement as superuser in the tenant: what no application may. */
export function asAdmin({ admin, tenant, users }: Hospital, sql: string, params: unknown[]): Promise<unknown[]> {
  return withTenant(admin, { tenant, user: users[0], role: 'admin', purpose: 'TREAT' }, (tx) => tx.query(sql, params))
}

export interface ChargeOptions {
  readonly kind?: string
  /** GST in percent. Default 0. */
  readonly gst?: number
  readonly components?: readonly { readonly code: string; readonly quantity: number | null }[]
}

/** Puts a charge into the charge master; returns its id. */
export async function addChargeCode(
  { run, tenant }: Hospital,
  code: string,
  price: string,
  { kind = 'service', gst = 0, components }: ChargeOptions = {},
): Promise<string> {
  const id = randomUUID()
  await run((tx) =>
    tx.query(
      `insert into billing.charge_master (tenant_id, id, code, name, kind, base_price, gst_rate, package_components)
      values ($1, $2, $3, $3, $4, $5, $6, $7)`,
      [tenant, id, code, kind, price, gst, components ?? null],
    ),
  )
  return id
}

/** Opens an account of a new patient, without an encounter; returns its id. */
export async function addAccount(hospital: Hospital, name = 'Meera'): Promise<string> {
  const patientId = await addPatient(hospital, name)
  const { id } = await hospital.run((tx) => openAccount(tx, { patientId, clinicId: hospital.clinicId }))
  return id
}

/** Charges an account once, as a person at the counter does. */
export function charge(
  { run }: Hospital,
  accountId: string,
  chargeId: string,
  quantity: number | string = 1,
): Promise<ChargeItem> {
  return run((tx) => addCharge(tx, { accountId, chargeId, sourceType: 'manual', sourceId: randomUUID(), quantity }))
}

/** Ledger balances by account code, debit less credit, without those at zero. */
export async function ledger({ admin, tenant }: Hospital): Promise<Record<string, number>> {
  const rows = await admin.query<{ code: string; balance: number }>(
    `select account_code as code, sum(balance)::float8 as balance
    from billing.trial_balance where tenant_id = $1
    group by account_code having sum(balance) <> 0 order by account_code`,
    [tenant],
  )
  return Object.fromEntries(rows.map(({ code, balance }) => [code, balance]))
}

/** Accounts whose totals are not those of their charges, bills and payments. */
export function accountsOutOfStep({ admin, tenant }: Hospital): Promise<unknown[]> {
  return admin.query(outOfStepSql, [tenant])
}

export const outOfStepSql = `
  select a.id, a.total_charged, s.charged, a.total_paid, s.paid, a.total_claimed, s.claimed
  from billing.accounts a
  -- what credit notes of other accounts cover here, and those of this one elsewhere
  cross join lateral (
    select
      coalesce(sum(m.amount), 0) as charged,
      coalesce(sum(m.amount) filter (where m.payer_id is not null), 0) as claimed
    from (
      select i.payer_id, case when i.account_id = a.id then -l.amount else l.amount end as amount
      from billing.payment_allocations l
      join billing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
      join billing.invoices n on n.tenant_id = l.tenant_id and n.id = l.credit_note_id
      where (i.account_id = a.id) <> (n.account_id = a.id)
    ) m
  ) c
  cross join lateral (
    select
      (select coalesce(sum(net), 0) from billing.charge_items i where i.account_id = a.id and i.status = 'billable')
      + (
        select coalesce(sum(case kind when 'credit_note' then -total else total end), 0) from billing.invoices i
        where i.account_id = a.id and i.status not in ('draft', 'quoted', 'discarded')
      )
      + c.charged as charged,
      (
        select coalesce(sum(amount - refunded), 0) from payment.payments p
        where p.account_id = a.id and p.status not in ('pending', 'failed', 'voided')
      )
      -- what payments of other accounts pay here, and those of this one elsewhere; what a payer owes is on no account
      + (
        select coalesce(sum(case when bill.is_here then l.amount else -l.amount end), 0)
        from billing.payment_allocations l
        join billing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
        cross join lateral (select i.account_id = a.id and i.payer_id is null as is_here) bill
        join payment.payments p on p.tenant_id = l.tenant_id and p.id = l.payment_id
        where bill.is_here <> coalesce(p.account_id = a.id, false)
      ) as paid,
      (
        select coalesce(sum(case kind when 'credit_note' then -total else total end), 0) from billing.invoices i
        where i.account_id = a.id and i.payer_id is not null and i.status not in ('draft', 'quoted', 'discarded')
      )
      + c.claimed as claimed
  ) s
  where a.tenant_id = $1
    and (a.total_charged, a.total_paid, a.total_claimed) <> (s.charged, s.paid, s.claimed)`
