import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export type Channel = 'in_app' | 'sms' | 'whatsapp' | 'email' | 'push'
export type RecipientType = 'patient' | 'user' | 'contact'

export interface NotificationInput {
  /** Code of the template. */
  readonly template: string
  readonly channel: Channel
  readonly recipientType: RecipientType
  readonly recipientId: string
  /** Why it is sent, such as appointment.reminder. */
  readonly purpose: string
  /** Values of the template's variables, encrypted. */
  readonly payloadEnc: Uint8Array
  /** One notification per key. */
  readonly dedupeKey: string
  /** Default 'normal'; critical ones are sent in quiet hours too. */
  readonly priority?: 'low' | 'normal' | 'high' | 'critical'
  readonly scheduledAt?: Date
  readonly expiresAt?: Date
  /** The row that it tells about. */
  readonly subject?: { readonly type: string; readonly id: string }
  /** Language (BCP 47). Default: the person's, else the tenant's. */
  readonly locale?: string
  /** Id of the row, for a ciphertext that is bound to it. Default: a new one. */
  readonly id?: string
}

export interface QueuedNotification {
  readonly notificationId: string
  readonly status: NotificationStatus
  /** Moved behind the quiet hours of the person. */
  readonly scheduledAt: Date
  readonly suppressedReason: 'opted_out' | 'no_opt_in' | 'bounced' | 'quiet_until_expiry' | null
  /** False when the notification was there already. */
  readonly created: boolean
}

export type NotificationStatus =
  'pending' | 'processing' | 'sent' | 'partially_sent' | 'read' | 'failed' | 'suppressed' | 'cancelled' | 'dead'

export const queueNotificationSql = `
select
  notification_id as "notificationId", status, scheduled_at as "scheduledAt",
  suppressed_reason as "suppressedReason", created
from communication.queue_notification($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`

/**
 * Asks for one message to one person, as far as their preferences allow it.
 * @throws NotFoundError (IM005) no active template, NotPermittedError (IM006) no DLT id, IdempotencyKeyReusedError (IM011)
 */
export async function queueNotification(tx: Transaction, input: NotificationInput): Promise<QueuedNotification> {
  const rows = await tx.query<QueuedNotification>(queueNotificationSql, [
    input.template,
    input.channel,
    input.recipientType,
    input.recipientId,
    input.purpose,
    input.payloadEnc,
    input.dedupeKey,
    input.priority ?? 'normal',
    input.scheduledAt ?? null,
    input.expiresAt ?? null,
    input.subject?.type ?? null,
    input.subject?.id ?? null,
    input.locale ?? null,
    input.id ?? null,
  ])
  return single(rows)
}

export const cancelNotificationSql = 'select communication.cancel_notification($1)'

/**
 * Takes back a notification that nobody has begun to send; again changes nothing.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function cancelNotification(tx: Transaction, notificationId: string): Promise<void> {
  await tx.query(cancelNotificationSql, [notificationId])
}
