import { refuse } from '../define.ts'

// Numbers (IM551, IM552), outbox and webhooks (IM85x).
export const SeriesNotConfiguredError = refuse(
  'IM551',
  'SeriesNotConfiguredError',
  'IMH_SERIES_NOT_CONFIGURED',
  'the number series is not configured',
  'add the series to core.id_sequences',
)
export const NumberTooLongError = refuse(
  'IM552',
  'NumberTooLongError',
  'IMH_NUMBER_TOO_LONG',
  'the next number is longer than the series allows',
  'start a new series or raise its max_len',
)
export const LeaseLostError = refuse(
  'IM850',
  'LeaseLostError',
  'IMH_LEASE_LOST',
  'another worker holds the event now',
  'drop the result: the other worker reports its own',
)
export const EventNotProcessingError = refuse(
  'IM851',
  'EventNotProcessingError',
  'IMH_EVENT_NOT_PROCESSING',
  'the event is not being processed',
  'claim an event with webhook.claim_next_event first',
)
export const EndpointDisabledError = refuse(
  'IM852',
  'EndpointDisabledError',
  'IMH_ENDPOINT_DISABLED',
  'the webhook endpoint is disabled or paused',
  'enable the endpoint first',
)
export const EventTypeNotTakenError = refuse(
  'IM853',
  'EventTypeNotTakenError',
  'IMH_EVENT_TYPE_NOT_TAKEN',
  'the webhook endpoint does not take this type of event',
  'add the type to event_types of the endpoint, or send it elsewhere',
)
