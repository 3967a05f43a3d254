import { randomUUID } from 'node:crypto'

/** A table that the writer writes: few columns, of types that MariaDB and PostgreSQL spell alike. */
export interface WriterTable {
  readonly service: string
  readonly name: string
  /** Unique; says which row of the journal this is. */
  readonly token: string
  /** An integer that updates count up. */
  readonly counter: string
  /** Other columns that must have a value. */
  readonly values: (worker: number) => Readonly<Record<string, string | number>>
  /** Its rows belong to a row of this table and go with it. */
  readonly parent?: { readonly table: string; readonly column: string }
}

/** Rows 1 to 4 are in every table, however small the hospital. */
const few = () => 1 + Math.floor(Math.random() * 4)

/** At least one table a service; every one has a column `note` for text. */
export const writerTables: readonly WriterTable[] = [
  {
    service: 'auth',
    name: 'login_attempts',
    token: 'attempt_ref',
    counter: 'tries',
    values: () => ({ user_id: few() }),
  },
  { service: 'facility', name: 'beds', token: 'bed_ref', counter: 'moves', values: () => ({ room_id: few() }) },
  {
    service: 'business',
    name: 'staff_shifts',
    token: 'shift_ref',
    counter: 'swaps',
    values: () => ({ staff_id: few() }),
  },
  {
    service: 'clinical',
    name: 'encounters',
    token: 'visit_ref',
    counter: 'changes',
    // its trigger updates the patient: each worker has one of its own, else they would lock each other out
    values: (worker) => ({ patient_id: 10 + worker }),
  },
  {
    service: 'appointment',
    name: 'appointments',
    token: 'booking_ref',
    counter: 'changes',
    values: () => ({ patient_id: few(), type_id: few() }),
  },
  {
    service: 'ehr',
    name: 'documents',
    token: 'document_ref',
    counter: 'edits',
    values: () => ({ id: randomUUID(), patient_id: few(), created_by: few(), title_ar: 'تقرير' }),
  },
  {
    service: 'lab',
    name: 'lab_orders',
    token: 'order_ref',
    counter: 'changes',
    values: () => ({ patient_id: few(), ordered_by: few() }),
  },
  {
    service: 'lab',
    name: 'lab_order_items',
    token: 'item_ref',
    counter: 'repeats',
    values: () => ({ test_id: few() }),
    parent: { table: 'lab_orders', column: 'order_id' },
  },
  {
    service: 'medication',
    name: 'prescriptions',
    token: 'prescription_ref',
    counter: 'refills',
    values: () => ({ patient_id: few(), prescriber_id: few() }),
  },
  {
    service: 'inventory',
    name: 'inventory_movements',
    token: 'movement_ref',
    counter: 'quantity',
    values: () => ({ item_id: few() }),
  },
  {
    service: 'cds',
    name: 'cds_alerts',
    token: 'alert_ref',
    counter: 'shown',
    values: () => ({ rule_id: few(), patient_id: few() }),
  },
  {
    service: 'billing',
    name: 'invoices',
    token: 'invoice_ref',
    counter: 'revisions',
    values: () => ({ patient_id: few(), issued_by: few() }),
  },
  {
    service: 'billing',
    name: 'invoice_lines',
    token: 'line_ref',
    counter: 'quantity',
    values: () => ({}),
    parent: { table: 'invoices', column: 'invoice_id' },
  },
  {
    service: 'payment_gateway',
    name: 'payments',
    token: 'transaction_ref',
    counter: 'attempts',
    values: () => ({ provider_id: few() }),
  },
  {
    service: 'fhir',
    name: 'fhir_resources',
    token: 'resource_ref',
    counter: 'edits',
    values: () => ({ resource_type: 'Observation', resource_id: randomUUID(), content: '{}' }),
  },
  {
    service: 'interop',
    name: 'hl7_messages',
    token: 'control_ref',
    counter: 'retries',
    values: () => ({ endpoint_id: few() }),
  },
  {
    service: 'device',
    name: 'device_readings',
    token: 'reading_ref',
    counter: 'samples',
    values: () => ({ device_id: few() }),
  },
  {
    service: 'notification',
    name: 'notifications',
    token: 'notice_ref',
    counter: 'tries',
    values: () => ({ template_id: few() }),
  },
]

/** Services whose rows are written together in one transaction, as long as they share a database. */
export const writtenTogether: readonly (readonly string[])[] = [
  ['lab', 'billing'],
  ['billing', 'payment_gateway', 'notification'],
  ['medication', 'inventory'],
  ['clinical', 'facility'],
  ['appointment', 'notification'],
  ['medication', 'cds'],
  ['ehr', 'fhir', 'interop'],
  ['device', 'clinical'],
]
