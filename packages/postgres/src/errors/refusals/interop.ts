import { refuse } from '../define.ts'

// Interfaces: IM80x.
export const MessageUnknownError = refuse(
  'IM800',
  'MessageUnknownError',
  'IMH_MESSAGE_UNKNOWN',
  'the message cannot be matched or mapped',
  'add a mapping rule and replay the message',
)
export const ControlIdReusedError = refuse(
  'IM801',
  'ControlIdReusedError',
  'IMH_CONTROL_ID_REUSED',
  'the control id was used before with other content',
  'have the sender give each message its own control id',
)
export const EndpointNotActiveError = refuse(
  'IM802',
  'EndpointNotActiveError',
  'IMH_ENDPOINT_NOT_ACTIVE',
  'the endpoint is not active',
  'activate the endpoint first',
)
