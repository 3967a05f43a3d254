/** Who reaches over a border, and to which tables of others: what a search must find, no more and no less. */
export interface Planted {
  readonly from: string
  readonly to: readonly string[]
}

/** Views, routines, triggers and events; what is not here stays inside its service. */
export const plantedObjects: Readonly<Record<string, Planted>> = {
  lab_worklist: { from: 'lab', to: ['patients', 'users'] },
  critical_results: { from: 'lab', to: ['encounters', 'wards'] },
  patient_bill: { from: 'billing', to: ['patients', 'payments'] },
  unbilled_lab_orders: { from: 'lab', to: ['invoice_lines'] },
  daily_revenue: { from: 'payment_gateway', to: ['departments', 'encounters', 'facilities', 'invoices', 'wards'] },
  doctor_calendar: { from: 'appointment', to: ['patients', 'staff'] },
  prescription_sheet: { from: 'medication', to: ['patients'] },
  stock_of_drugs: { from: 'inventory', to: ['drugs'] },
  allergy_conflicts: { from: 'medication', to: ['allergies'] },
  alert_burden: { from: 'cds', to: ['patients'] },
  bed_board: { from: 'facility', to: ['devices'] },
  document_index: { from: 'ehr', to: ['patients', 'users'] },
  device_alarm_board: { from: 'device', to: ['users', 'wards'] },
  insurer_exposure: { from: 'billing', to: ['contracts'] },
  reachable_users: { from: 'auth', to: ['notification_preferences'] },
  all_references: { from: 'lab', to: ['encounters', 'invoices'] },
  admit_patient: { from: 'clinical', to: ['beds', 'rooms'] },
  discharge_patient: { from: 'clinical', to: ['documents', 'invoices', 'notifications'] },
  bill_lab_order: { from: 'billing', to: ['lab_orders'] },
  dispense: { from: 'inventory', to: ['prescription_items'] },
  settle_invoice: { from: 'payment_gateway', to: ['invoices'] },
  book_follow_up: { from: 'appointment', to: ['encounters'] },
  refresh_fhir_patient: { from: 'fhir', to: ['patients'] },
  import_lab_message: { from: 'lab', to: ['hl7_messages'] },
  assign_reading: { from: 'device', to: ['encounters'] },
  insured_share: { from: 'billing', to: ['patients'] },
  deactivate_user: { from: 'auth', to: ['schedules', 'staff'] },
  lab_results_notify: { from: 'lab', to: ['notifications'] },
  administrations_stock: { from: 'medication', to: ['inventory_items', 'inventory_movements'] },
  appointments_priority: { from: 'appointment', to: ['patients'] },
  claims_discount: { from: 'billing', to: ['contracts'] },
  remind_appointments: { from: 'notification', to: ['appointments'] },
  expire_policies: { from: 'billing', to: ['cds_alerts'] },
  reorder_drugs: { from: 'inventory', to: ['drugs'] },
}

/** Nobody can tell what these use. */
export const plantedUnknown: readonly string[] = ['search_everything']

/** By the line of general.log. */
export const plantedStatements: Readonly<Record<number, Planted>> = {
  6: { from: 'lab', to: ['patients'] },
  8: { from: 'billing', to: ['patients', 'users'] },
  15: { from: 'billing', to: ['payments'] },
  16: { from: 'lab', to: ['invoice_lines'] },
  17: { from: 'notification', to: ['appointments'] },
  18: { from: 'notification', to: ['users'] },
  19: { from: 'clinical', to: ['appointments'] },
  20: { from: 'device', to: ['wards'] },
  22: { from: 'facility', to: ['patients'] },
  23: { from: 'medication', to: ['encounters'] },
  25: { from: 'billing', to: ['payments'] },
  26: { from: 'payment_gateway', to: ['invoices'] },
  27: { from: 'lab', to: ['patients', 'users'] },
  28: { from: 'business', to: ['facilities', 'schedules'] },
  29: { from: 'interop', to: ['patients'] },
  30: { from: 'fhir', to: ['patients'] },
  31: { from: 'cds', to: ['allergies', 'prescriptions'] },
  32: { from: 'inventory', to: ['drugs'] },
  34: { from: 'device', to: ['encounters'] },
  36: { from: 'billing', to: ['patients'] },
  37: { from: 'facility', to: ['encounters'] },
  39: { from: 'payment_gateway', to: ['invoices'] },
  40: { from: 'lab', to: ['patients'] },
}
