// Wrappers of the operations of schema/communication.
export { setContactPreference, type ContactPreference } from './contact-preference.ts'
export {
  claimNotifications,
  finishNotification,
  recordDelivery,
  type ClaimedNotification,
  type ClaimNotificationsInput,
  type DeliveryReport,
} from './dispatch.ts'
export {
  cancelNotification,
  queueNotification,
  type Channel,
  type NotificationInput,
  type NotificationStatus,
  type QueuedNotification,
  type RecipientType,
} from './queue-notification.ts'
