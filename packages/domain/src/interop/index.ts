// Wrappers of the operations of schema/interop.
export {
  beginEmrCall,
  finishEmrCall,
  savePollCursor,
  disableConnection,
  enableConnection,
  type FinishEmrCallInput,
} from './emr-connections.ts'
export { activateEndpoint, pauseEndpoint, retireEndpoint } from './endpoints.ts'
export {
  mapMessage,
  findMapping,
  testMapping,
  activateMapping,
  retireMapping,
  type MappingTest,
} from './mapping-rules.ts'
export {
  recordMessage,
  queueMessage,
  claimMessages,
  parseMessage,
  applyMessage,
  ignoreMessage,
  failMessage,
  rejectMessage,
  replayMessage,
  markSent,
  recordAck,
  type RecordMessageInput,
  type QueueMessageInput,
  type ClaimMessagesInput,
  type ApplyMessageInput,
  type FailMessageInput,
  type RejectMessageInput,
} from './messages.ts'
export {
  type InteropEndpoint,
  type Hl7Message,
  type MappingRule,
  type EmrConnection,
  type MessageDirection,
  type AckCode,
} from './rows.ts'
