import { randomUUID } from 'node:crypto'
import { withTenant } from '@imhotep/kernel'
import { outOfStepSql } from '../../packages/domain/src/billing/billing.fixture.ts'
import { addPatients, at, type RaceClinic } from '../races/clinic.fixture.ts'
import { contextOf } from '../support/tenants.ts'

export interface MoneyAccount {
  readonly accountId: string
  readonly patient: string
  /** A charge of 100. */
  readonly chargeId: string
}

export interface AccountOptions {
  readonly payerClass?: string
  readonly patient?: string
  readonly encounter?: string
}

/** Opens an account, with a charge of 100 to charge it with. */
export async function openMoneyAccount(
  clinic: RaceClinic,
  { payerClass = 'self', patient, encounter }: AccountOptions = {},
): Promise<MoneyAccount> {
  const owner = patient ?? at(await addPatients(clinic, 1), 0)
  const chargeId = randomUUID()
  const accountId = await clinic.as(async (tx) => {
    await tx.query(
      `insert into billing.charge_master (tenant_id, id, code, name, kind, base_price)
      values ($1, $2, $3, 'Visit', 'service', 100)`,
      [clinic.tenant, chargeId, `V-${chargeId.slice(0, 8)}`],
    )
    const [account] = await tx.query<{ id: string }>('select id from billing.open_account($1, $2, $3, $4)', [
      owner,
      encounter ?? null,
      clinic.clinic,
      payerClass,
    ])
    return account?.id ?? ''
  })
  return { accountId, patient: owner, chargeId }
}

export interface Bill {
  readonly invoiceId: string
}

/** Charges so much, a multiple of 100, and bills it. */
export async function addBill(
  clinic: RaceClinic,
  { accountId, chargeId }: MoneyAccount,
  amount: number,
  payer: string | null = null,
): Promise<Bill> {
  return clinic.as(async (tx) => {
    await tx.query(`select billing.add_charge($1, $2, 'manual', $3, $4)`, [
      accountId,
      chargeId,
      randomUUID(),
      amount / 100,
    ])
    const [invoice] = await tx.query<{ id: string }>('select id from billing.issue_invoice($1, p_payer_id => $2)', [
      accountId,
      payer,
    ])
    return { invoiceId: invoice?.id ?? '' }
  })
}

/** Makes the users that approve and receive; returns their ids. */
export async function addUsers({ superuser, tenant }: RaceClinic, count: number): Promise<string[]> {
  const users = Array.from({ length: count }, () => randomUUID())
  await withTenant(superuser, contextOf(tenant), (tx) =>
    tx.query(
      `insert into auth.users (tenant_id, id, username, display_name, primary_role, email_enc, email_bidx)
      select $1, id, translate('u' || id, '0123456789-', 'ghijklmnopq'), 'Test', 'billing', '\\x01', sha256(id::text::bytea)
      from unnest($2::uuid[]) id`,
      [tenant, users],
    ),
  )
  return users
}

/** Whatever of a tenant's books does not add up: must be empty. */
export async function booksOutOfStep({ superuser, tenant }: RaceClinic): Promise<unknown[]> {
  const rows = await superuser.query(
    `select 'ledger' as what, txn_id as id from billing.ledger_entries
      group by txn_id, currency having sum(case direction when 'debit' then amount else -amount end) <> 0
    union all
    select 'bill', i.id from billing.invoices i
      where i.kind <> 'credit_note'
        and (
          i.allocated + i.written_off > i.total
          or i.allocated <> (select coalesce(sum(a.amount), 0) from billing.payment_allocations a where a.invoice_id = i.id)
        )
    union all
    select 'credit note', i.id from billing.invoices i
      where i.kind = 'credit_note'
        and i.allocated <> (select coalesce(sum(a.amount), 0) from billing.payment_allocations a where a.credit_note_id = i.id)
    union all
    select 'payment', p.id from payment.payments p
      where p.allocated + p.refunded > p.amount
        or p.allocated <> (select coalesce(sum(a.amount), 0) from billing.payment_allocations a where a.payment_id = p.id)`,
  )
  return [...rows, ...(await superuser.query(outOfStepSql, [tenant]))]
}
