/** A billing account as the operations return it. Money is exact decimal text, such as "1250.00". */
export interface Account {
  readonly id: string
  readonly accountNumber: string
  readonly patientId: string
  readonly encounterId: string | null
  readonly clinicId: string
  readonly payerClass: PayerClass
  readonly payerId: string | null
  readonly creditLimit: string
  readonly totalCharged: string
  readonly totalPaid: string
  readonly totalClaimed: string
  readonly totalWrittenOff: string
  /** What the patient owes; below zero, what the hospital owes. */
  readonly balance: string
  readonly status: 'active' | 'on_hold' | 'settling' | 'closed'
}

export type PayerClass = 'self' | 'insurance' | 'pmjay' | 'corporate' | 'free'

export const accountColumns = `
  id, account_number as "accountNumber", patient_id as "patientId", encounter_id as "encounterId",
  clinic_id as "clinicId", payer_class as "payerClass", payer_id as "payerId", credit_limit as "creditLimit",
  total_charged as "totalCharged", total_paid as "totalPaid", total_claimed as "totalClaimed",
  total_written_off as "totalWrittenOff", balance, status`
