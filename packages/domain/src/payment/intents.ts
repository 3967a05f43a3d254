import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { itemsToColumns, type PaymentItem } from './payments.ts'

/** An intention to collect an amount. Money is exact decimal text. */
export interface PaymentIntent {
  readonly id: string
  readonly intentNumber: string
  readonly amount: string
  readonly currency: string
  readonly providerId: string | null
  readonly expiresAt: Date
  readonly failureCode: string | null
  readonly paymentId: string | null
  readonly status: PaymentIntentStatus
}

export type PaymentIntentStatus =
  'created' | 'requires_action' | 'processing' | 'succeeded' | 'failed' | 'cancelled' | 'expired'

const intentColumns = `
  id, intent_number as "intentNumber", amount, currency, provider_id as "providerId", expires_at as "expiresAt",
  failure_code as "failureCode", payment_id as "paymentId", status`

export interface CreateIntentInput {
  readonly key: string
  readonly purpose: 'invoice' | 'advance' | 'appointment' | 'pharmacy'
  readonly amount: string
  /** How the patient pays: counter, portal, link, kiosk, qr. */
  readonly channel: string
  /** Add up to the amount; needed when the purpose is invoice. */
  readonly items?: readonly PaymentItem[]
  readonly accountId?: string
  readonly patientId?: string
  /** Needed without an account. */
  readonly clinicId?: string
  readonly providerId?: string
  readonly returnUrl?: string
  /** Default 30 minutes. */
  readonly ttlMinutes?: number
  /** ISO 4217. Default: that of the tenant. */
  readonly currency?: string
}

export const createIntentSql = `
select ${intentColumns}
from payment.create_intent($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, make_interval(mins => $11::int), $12)`

/**
 * Makes the intention to collect an amount. Same key and content, same intent.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011), TotalsMismatchError (IM553)
 */
export async function createIntent(tx: Transaction, input: CreateIntentInput): Promise<PaymentIntent> {
  const rows = await tx.query<PaymentIntent>(createIntentSql, [
    input.key,
    input.purpose,
    input.amount,
    input.channel,
    itemsToColumns(input.items),
    input.accountId ?? null,
    input.patientId ?? null,
    input.clinicId ?? null,
    input.providerId ?? null,
    input.returnUrl ?? null,
    input.ttlMinutes ?? 30,
    input.currency ?? null,
  ])
  return single(rows)
}

export interface BeginAttemptInput {
  readonly intentId: string
  /** Default: the provider of the intent. */
  readonly providerId?: string
  /** True when the patient has to do something first, such as scan a code. */
  readonly requiresAction?: boolean
}

export const beginAttemptSql = `select ${intentColumns}\nfrom payment.begin_attempt($1, $2, $3)`

/**
 * The patient is sent to the provider.
 * @throws NotFoundError (IM005), IntentExpiredError (IM580)
 */
export async function beginAttempt(tx: Transaction, input: BeginAttemptInput): Promise<PaymentIntent> {
  const { intentId, providerId = null, requiresAction = false } = input
  return single(await tx.query<PaymentIntent>(beginAttemptSql, [intentId, providerId, requiresAction]))
}

export const cancelIntentSql = `select ${intentColumns}\nfrom payment.cancel_intent($1)`

/**
 * Cancels an intent that no provider is working on.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function cancelIntent(tx: Transaction, intentId: string): Promise<PaymentIntent> {
  return single(await tx.query<PaymentIntent>(cancelIntentSql, [intentId]))
}

export const expireIntentsSql = 'select payment.expire_intents($1) as expired'

/** Job: ends up to `limit` intents whose time is over and returns how many. */
export async function expireIntents(tx: Transaction, limit = 500): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireIntentsSql, [limit])).expired
}

export interface ProviderResultInput {
  readonly providerId: string
  readonly providerRef: string
  readonly outcome: 'authorised' | 'captured' | 'declined' | 'error' | 'timeout' | 'unknown'
  /** Needed the first time that the reference is heard of. */
  readonly intentId?: string
  /** Needed when captured. */
  readonly amount?: string
  /** ISO 4217. Default: that of the intent. */
  readonly currency?: string
  /** What the provider sent; kept without card data. */
  readonly response?: Readonly<Record<string, unknown>>
  readonly errorCode?: string
  readonly finishedAt?: Date
}

export interface ProviderResult {
  readonly intentId: string
  readonly intentStatus: PaymentIntentStatus
  readonly paymentId: string | null
  readonly receiptNumber: string | null
  /** False when the same was reported before. */
  readonly isNew: boolean
}

export const recordProviderResultSql = `
select
  intent_id as "intentId", intent_status as "intentStatus", payment_id as "paymentId",
  receipt_number as "receiptNumber", is_new as "isNew"
from payment.record_provider_result($1, $2, $3, $4, $5, $6, $7, $8, $9)`

/**
 * What a provider said about a reference. Webhook, poll and return page may all call it: one reference, one payment.
 * @throws NotFoundError (IM005), IntentExpiredError (IM580), ProviderRefConflictError (IM581)
 */
export async function recordProviderResult(tx: Transaction, input: ProviderResultInput): Promise<ProviderResult> {
  const rows = await tx.query<ProviderResult>(recordProviderResultSql, [
    input.providerId,
    input.providerRef,
    input.outcome,
    input.intentId ?? null,
    input.amount ?? null,
    input.currency ?? null,
    input.response ?? {},
    input.errorCode ?? null,
    input.finishedAt ?? null,
  ])
  return single(rows)
}
