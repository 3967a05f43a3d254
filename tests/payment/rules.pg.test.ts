import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { addUsers, openMoneyAccount } from '../billing/money.fixture.ts'
import { addPatients, at, openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'

let clinic: RaceClinic
let provider: string
let cashier: string

before(async () => {
  clinic = await openRaceClinic(5)
  cashier = at(await addUsers(clinic, 1), 0)
  provider = randomUUID()
  await addProvider(provider, {})
})
after(() => clinic.close())

test('payment_providers: secrets are kept by reference, in no configuration', async () => {
  await assert.rejects(addProvider(randomUUID(), { secretRef: 'sk_live_abc' }), {
    constraint: 'payment_providers_secret_by_reference',
  })
  await assert.rejects(addProvider(randomUUID(), { config: { api_key: 'x' } }), {
    constraint: 'payment_providers_config_without_secrets',
  })
})

test('no table of the module takes a card number', async () => {
  const card = '4111 1111 1111 1111'
  const [patient] = await addPatients(clinic, 1)
  const [payment] = await clinic.as(
    (tx) =>
      tx.query<{ id: string }>(`select id from payment.receive('cash-0001', 'cash', 10, null, null, null, $1)`, [
        clinic.clinic,
      ]),
    cashier,
  )

  await assert.rejects(
    clinic.as((tx) =>
      tx.query(
        `insert into payment.payment_methods (tenant_id, patient_id, provider_id, token, consent_at)
        values ($1, $2, $3, $4, now())`,
        [clinic.tenant, patient, provider, card],
      ),
    ),
    { constraint: 'payment_methods_token_is_no_card_number' },
  )
  await assert.rejects(addProvider(randomUUID(), { config: { note: card } }), {
    constraint: 'payment_providers_no_card_number',
  })
  await assert.rejects(
    clinic.as((tx) => tx.query(`select payment.request_refund('refund-01', $1, 1, $2)`, [payment?.id, card]), cashier),
    { constraint: 'refunds_no_card_number' },
  )
  await assert.rejects(
    clinic.as(
      (tx) =>
        tx.query(
          `select payment.receive('cash-0002', 'cash', 1, jsonb_build_array(jsonb_build_object(
            'purpose', 'other', 'amount', 1, 'description', $2::text)), null, null, $1)`,
          [clinic.clinic, card],
        ),
      cashier,
    ),
    { constraint: 'payment_items_no_card_number' },
  )
  const columns = await clinic.superuser.query(
    `select table_name, column_name from information_schema.columns
    where table_schema = 'payment' and column_name ~ '(cvv|cvc|track|pin$|card_number)'`,
  )
  assert.deepEqual(columns, [])
})

test('payments: items that do not add up to the amount are refused at commit (IM553)', async () => {
  await assert.rejects(
    clinic.asSuperuser(
      `insert into payment.payments (tenant_id, kind, clinic_id, mode, amount, currency) values ($1, 'advance', $2, 'upi', 5, 'INR')`,
      [clinic.tenant, clinic.clinic],
    ),
    { sqlstate: 'IM553' },
  )
})

test('payments: cash has a receiver, and more than the amount is never spent', async () => {
  const { accountId } = await openMoneyAccount(clinic)

  await assert.rejects(
    clinic.asSuperuser(
      `insert into payment.payments (tenant_id, kind, clinic_id, mode, amount, currency) values ($1, 'advance', $2, 'cash', 5, 'INR')`,
      [clinic.tenant, clinic.clinic],
    ),
    { constraint: 'payments_cash_has_receiver' },
  )
  await clinic.as((tx) => tx.query(`select payment.receive('upi-00001', 'upi', 10, null, $1)`, [accountId]), cashier)
  await assert.rejects(
    clinic.asSuperuser('update payment.payments set allocated = 11 where account_id = $1', [accountId]),
    { constraint: 'payments_not_overspent' },
  )
})

test('payments: one reference of a provider is one payment (IM581 at the counter)', async () => {
  const receive = (key: string) =>
    clinic.as(
      (tx) =>
        tx.query(`select payment.receive($1, 'card', 10, null, null, null, $2, $3, 'slip-1')`, [
          key,
          clinic.clinic,
          provider,
        ]),
      cashier,
    )

  await receive('slip-0001')

  await assert.rejects(receive('slip-0002'), { sqlstate: 'IM581' })
})

test('payment: applications write no payment, refund, attempt or settlement by themselves', async () => {
  const grants = await clinic.superuser.query(
    `select table_name, privilege_type from information_schema.role_table_grants
    where table_schema = 'payment' and grantee in ('payment_gateway_app', 'imhotep_app') and privilege_type <> 'SELECT'
      and table_name not in ('payment_providers', 'payment_methods')`,
  )

  assert.deepEqual(grants, [])
})

interface ProviderOptions {
  readonly secretRef?: string
  readonly config?: object
}

function addProvider(id: string, { secretRef = 'vault://pay/test', config = {} }: ProviderOptions): Promise<unknown> {
  return clinic.as((tx) =>
    tx.query(
      `insert into payment.payment_providers (tenant_id, id, code, kind, display, secret_ref, config)
      values ($1, $2, $3, 'card', 'Test', $4, $5)`,
      [clinic.tenant, id, `p-${id.slice(0, 8)}`, secretRef, config],
    ),
  )
}
