/** An interface as the operations return it. */
export interface InteropEndpoint {
  readonly id: string
  readonly code: string
  readonly kind: string
  readonly direction: 'in' | 'out' | 'both'
  readonly ackMode: 'original' | 'enhanced'
  readonly status: 'draft' | 'active' | 'paused' | 'retired'
  readonly rowVersion: number
}

export const endpointColumns = `
  id, code, kind, direction, ack_mode as "ackMode", status, row_version as "rowVersion"`

/** A message as the operations return it. */
export interface Hl7Message {
  readonly id: string
  readonly endpointId: string
  readonly direction: MessageDirection
  readonly controlId: string
  readonly messageType: string
  readonly triggerEvent: string
  readonly receivedAt: Date
  /** Encrypted; the caller has the key. */
  readonly rawEnc: Uint8Array
  readonly patientId: string | null
  /** The answer that was given (in) or received (out). */
  readonly ackCode: AckCode | null
  readonly ackText: string | null
  readonly attempts: number
  readonly nextAttemptAt: Date | null
  readonly replayOfId: string | null
  readonly status:
    'received' | 'parsed' | 'applied' | 'ignored' | 'rejected' | 'queued' | 'sent' | 'acked' | 'failed' | 'dead'
}

export const messageColumns = `
  id, endpoint_id as "endpointId", direction, control_id as "controlId", message_type as "messageType",
  trigger_event as "triggerEvent", received_at as "receivedAt", raw_enc as "rawEnc", patient_id as "patientId",
  ack_code as "ackCode", ack_text as "ackText", attempts, next_attempt_at as "nextAttemptAt",
  replay_of_id as "replayOfId", status`

/** A mapping rule as the operations return it. */
export interface MappingRule {
  readonly id: string
  /** Null: for all endpoints. */
  readonly endpointId: string | null
  readonly messageType: string
  /** Null: for all events of the type. */
  readonly triggerEvent: string | null
  readonly targetTable: string
  readonly version: number
  readonly mapping: Readonly<Record<string, unknown>>
  readonly codeMap: Readonly<Record<string, Readonly<Record<string, string>>>> | null
  readonly status: 'draft' | 'active' | 'retired'
}

export const mappingColumns = `
  id, endpoint_id as "endpointId", message_type as "messageType", trigger_event as "triggerEvent",
  target_table as "targetTable", version, mapping, code_map as "codeMap", status`

/** A connection as the operations return it. */
export interface EmrConnection {
  readonly id: string
  readonly name: string
  readonly emrSystem: 'EPIC' | 'CERNER' | 'GENERIC_FHIR'
  readonly baseUrl: string
  readonly auth: 'smart_backend' | 'oauth2_client' | 'basic' | 'mtls'
  readonly clientId: string | null
  /** Where the secret is, never the secret. */
  readonly secretRef: string | null
  readonly scopes: readonly string[]
  readonly rateLimitPerMin: number
  readonly circuitState: 'closed' | 'open' | 'half_open'
  readonly failureCount: number
  readonly retryAt: Date | null
  readonly pollCursors: Readonly<Record<string, string>>
  readonly status: 'draft' | 'testing' | 'active' | 'degraded' | 'disabled'
}

export const connectionColumns = `
  id, name, emr_system as "emrSystem", base_url as "baseUrl", auth, client_id as "clientId",
  secret_ref as "secretRef", scopes, rate_limit_per_min as "rateLimitPerMin", circuit_state as "circuitState",
  failure_count as "failureCount", retry_at as "retryAt", poll_cursors as "pollCursors", status`

export type MessageDirection = 'in' | 'out'

export type AckCode = 'AA' | 'AE' | 'AR' | 'CA' | 'CE' | 'CR'
