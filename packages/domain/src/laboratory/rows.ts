/** An order of the laboratory as the operations return it. */
export interface LabOrder {
  readonly id: string
  readonly orderNumber: string
  readonly patientId: string
  readonly status: 'registered' | 'in_progress' | 'partially_reported' | 'completed' | 'amended' | 'cancelled'
  readonly priority: 'routine' | 'urgent' | 'stat'
  readonly orderedAt: Date
  readonly dueAt: Date
  readonly billedAt: Date | null
  readonly rowVersion: number
}

export const orderColumns = `
  id, order_number as "orderNumber", patient_id as "patientId", status, priority, ordered_at as "orderedAt",
  due_at as "dueAt", billed_at as "billedAt", row_version as "rowVersion"`

/** One ordered test. */
export interface LabOrderItem {
  readonly id: string
  readonly orderId: string
  readonly testId: string
  readonly sampleId: string | null
  readonly chargeItemId: string | null
  readonly status: string
}

export const itemColumns = `
  id, order_id as "orderId", test_id as "testId", sample_id as "sampleId", charge_item_id as "chargeItemId", status`

export type SampleStatus =
  | 'planned'
  | 'collected'
  | 'in_transit'
  | 'received'
  | 'accessioned'
  | 'aliquoted'
  | 'in_process'
  | 'tested'
  | 'stored'
  | 'disposed'
  | 'rejected'
  | 'lost'
  | 'cancelled'

export interface Sample {
  readonly id: string
  readonly accessionNumber: string
  readonly barcode: string
  readonly orderId: string
  readonly specimenType: string
  readonly container: string
  /** Millilitres, as text: exact. */
  readonly volumeMl: string | null
  readonly parentSampleId: string | null
  readonly recollectionOfId: string | null
  readonly status: SampleStatus
}

export const sampleColumns = `
  id, accession_number as "accessionNumber", barcode, order_id as "orderId", specimen_type as "specimenType", container,
  volume_ml as "volumeMl", parent_sample_id as "parentSampleId", recollection_of_id as "recollectionOfId", status`

/** A move of a sample: a link of its chain of custody. */
export interface SampleEvent {
  readonly id: string
  readonly sampleId: string
  readonly occurredAt: Date
  readonly fromStatus: SampleStatus | null
  readonly toStatus: SampleStatus
  readonly actorId: string
}

export const eventColumns = `
  id, sample_id as "sampleId", occurred_at as "occurredAt", from_status as "fromStatus", to_status as "toStatus",
  actor_id as "actorId"`

export interface LabResult {
  readonly id: string
  readonly orderItemId: string
  readonly testId: string
  /** As text: exact. */
  readonly valueNum: string | null
  readonly valueText: string | null
  readonly valueCode: string | null
  readonly comparator: 'lt' | 'le' | 'ge' | 'gt' | null
  readonly flag: 'N' | 'L' | 'H' | 'LL' | 'HH' | 'A' | 'POS' | 'NEG' | 'IND' | null
  readonly isCritical: boolean
  readonly deltaFlag: boolean | null
  readonly referenceText: string | null
  readonly supersedesId: string | null
  readonly status:
    'registered' | 'preliminary' | 'verified' | 'final' | 'corrected' | 'superseded' | 'cancelled' | 'entered_in_error'
}

export const resultColumns = `
  id, order_item_id as "orderItemId", test_id as "testId", value_num as "valueNum", value_text as "valueText",
  value_code as "valueCode", comparator, flag, is_critical as "isCritical", delta_flag as "deltaFlag",
  reference_text as "referenceText", supersedes_id as "supersedesId", status`

export interface DiagnosticReport {
  readonly id: string
  readonly reportNumber: string
  readonly orderId: string
  readonly version: number
  readonly resultIds: readonly string[]
  /** Why compromised samples were accepted; printed. */
  readonly exceptions: readonly string[]
  readonly interim: boolean
  readonly amendsId: string | null
  readonly amendmentReason: string | null
  readonly status: 'registered' | 'partial' | 'final' | 'amended' | 'corrected' | 'cancelled' | 'entered_in_error'
}

export const reportColumns = `
  id, report_number as "reportNumber", order_id as "orderId", version, result_ids as "resultIds", exceptions, interim,
  amends_id as "amendsId", amendment_reason as "amendmentReason", status`
