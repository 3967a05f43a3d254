import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import type { NotificationStatus, RecipientType } from './queue-notification.ts'

export interface ClaimNotificationsInput {
  /** Default 50. */
  readonly limit?: number
  /** After this time another dispatcher takes a notification over. Default 300. */
  readonly leaseSeconds?: number
}

export interface ClaimedNotification {
  readonly id: string
  readonly templateId: string | null
  readonly recipientType: RecipientType
  readonly recipientId: string
  readonly purpose: string
  readonly payloadEnc: Buffer
  readonly priority: string
  readonly expiresAt: Date | null
}

export const claimNotificationsSql = `
select
  id, template_id as "templateId", recipient_type as "recipientType", recipient_id as "recipientId", purpose,
  payload_enc as "payloadEnc", priority, expires_at as "expiresAt"
from communication.claim_notifications($1, make_interval(secs => $2))`

/** Takes due notifications of the tenant for sending; expired ones are cancelled instead. */
export async function claimNotifications(
  tx: Transaction,
  input: ClaimNotificationsInput = {},
): Promise<ClaimedNotification[]> {
  const { limit = 50, leaseSeconds = 300 } = input
  return tx.query<ClaimedNotification>(claimNotificationsSql, [limit, leaseSeconds])
}

export const finishNotificationSql = 'select communication.finish_notification($1, $2)'

/**
 * Reports what became of a notification; pending tries a failed one again.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function finishNotification(
  tx: Transaction,
  notificationId: string,
  status: Exclude<NotificationStatus, 'processing' | 'suppressed' | 'cancelled'>,
): Promise<void> {
  await tx.query(finishNotificationSql, [notificationId, status])
}

export interface DeliveryReport {
  readonly channel: 'sms' | 'whatsapp' | 'email'
  /** The provider's id of the message. */
  readonly providerRef: string
  /** Needed for sms and email. */
  readonly provider?: string
  readonly status: string
  readonly at: Date
  readonly errorCode?: string
}

export const recordDeliverySql = 'select communication.record_delivery($1, $2, $3, $4, $5, $6) as changed'

/**
 * Takes a provider's delivery report; false when the message is already further.
 * @throws NotFoundError (IM005): the report may have overtaken the sender, repeat it in a moment
 */
export async function recordDelivery(tx: Transaction, report: DeliveryReport): Promise<boolean> {
  const { channel, providerRef, status, at, errorCode = null, provider = null } = report
  const params = [channel, providerRef, status, at, errorCode, provider]
  return single(await tx.query<{ changed: boolean }>(recordDeliverySql, params)).changed
}
