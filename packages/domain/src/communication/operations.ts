import { setContactPreference, setContactPreferenceSql } from './contact-preference.ts'
import {
  claimNotifications,
  claimNotificationsSql,
  finishNotification,
  finishNotificationSql,
  recordDelivery,
  recordDeliverySql,
} from './dispatch.ts'
import {
  cancelNotification,
  cancelNotificationSql,
  queueNotification,
  queueNotificationSql,
} from './queue-notification.ts'

/** The operations of schema/communication that an application may call. */
export const communicationOperations = {
  'communication.set_contact_preference': { sql: setContactPreferenceSql, call: setContactPreference },
  'communication.claim_notifications': { sql: claimNotificationsSql, call: claimNotifications },
  'communication.finish_notification': { sql: finishNotificationSql, call: finishNotification },
  'communication.record_delivery': { sql: recordDeliverySql, call: recordDelivery },
  'communication.queue_notification': { sql: queueNotificationSql, call: queueNotification },
  'communication.cancel_notification': { sql: cancelNotificationSql, call: cancelNotification },
} as const
