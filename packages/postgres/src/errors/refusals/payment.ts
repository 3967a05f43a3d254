import { refuse } from '../define.ts'

// Payments: IM58x.
export const IntentExpiredError = refuse(
  'IM580',
  'IntentExpiredError',
  'IMH_INTENT_EXPIRED',
  'the payment intent is expired or over',
  'make a new intent',
)
export const ProviderRefConflictError = refuse(
  'IM581',
  'ProviderRefConflictError',
  'IMH_PROVIDER_REF_CONFLICT',
  'the provider reported this reference before with another amount',
  'look both reports up at the provider',
)
export const RefundTooMuchError = refuse(
  'IM582',
  'RefundTooMuchError',
  'IMH_REFUND_TOO_MUCH',
  'the refund is more than what is left of the payment',
  'refund at most what is neither allocated nor refunded',
)
