import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

export interface CdsAlert {
  readonly id: string
  readonly patientId: string
  readonly subjectType: string
  readonly subjectId: string
  readonly category: string
  /** A hard stop blocks its subject until it is overridden with a second approver, or gone. */
  readonly severity: 'info' | 'warning' | 'hard_stop'
  readonly message: string
  readonly status: 'fired' | 'acknowledged' | 'accepted' | 'overridden' | 'suppressed' | 'expired'
}

const alertColumns = `
  id, patient_id as "patientId", subject_type as "subjectType", subject_id as "subjectId", category, severity, message,
  status`

export interface MedicationItem {
  readonly ingredientCode: string
  readonly doseValue?: number
  /** g, mg, ug, ng, or the unit that the limit is written in. */
  readonly unit?: string
  readonly route?: string
  readonly dosesPerDay?: number
  /** The patient takes it already: it is no reason to warn by itself. */
  readonly current?: boolean
}

export interface CheckMedicationInput {
  readonly patientId: string
  readonly encounterId?: string
  /** What is being ordered, such as prescription, and its id. */
  readonly subjectType: string
  readonly subjectId: string
  readonly items: readonly MedicationItem[]
}

export const checkMedicationSql = `
select ${alertColumns}
from cds.check_medication($1, $2, $3, $4, $5::jsonb)`

/**
 * Checks medicines against allergies, each other, diseases, dose limits and rules; returns the alerts of the subject
 * that hold now, the worst first. A repeated check finds the same alerts; open ones that no longer apply expire.
 * @throws NotFoundError (IM005)
 */
export async function checkMedication(tx: Transaction, input: CheckMedicationInput): Promise<CdsAlert[]> {
  const { patientId, encounterId = null, subjectType, subjectId, items } = input
  const params = [patientId, encounterId, subjectType, subjectId, items.map((item) => toColumns(item))]
  return tx.query<CdsAlert>(checkMedicationSql, params)
}

export const countOpenHardStopsSql = 'select cds.count_open_hard_stops($1, $2) as open'

/** How many hard stops of a subject are neither overridden nor gone; must be 0 before it is signed. */
export async function countOpenHardStops(tx: Transaction, subjectType: string, subjectId: string): Promise<number> {
  return single(await tx.query<{ open: number }>(countOpenHardStopsSql, [subjectType, subjectId])).open
}

export const acknowledgeAlertSql = `select ${alertColumns}\nfrom cds.acknowledge_alert($1)`

/**
 * The signed-in user saw the alert.
 * @throws NotFoundError (IM005)
 */
export async function acknowledgeAlert(tx: Transaction, alertId: string): Promise<CdsAlert> {
  return single(await tx.query<CdsAlert>(acknowledgeAlertSql, [alertId]))
}

export const acceptAlertSql = `select ${alertColumns}\nfrom cds.accept_alert($1)`

/**
 * The user follows the alert.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), HardStopAlertError (IM401): a hard stop ends when a new
 * check does not find it
 */
export async function acceptAlert(tx: Transaction, alertId: string): Promise<CdsAlert> {
  return single(await tx.query<CdsAlert>(acceptAlertSql, [alertId]))
}

export interface OverrideAlertInput {
  readonly alertId: string
  readonly reasonCode:
    | 'benefit_outweighs_risk'
    | 'will_monitor'
    | 'tolerated_before'
    | 'dose_adjusted'
    | 'not_applicable'
    | 'inaccurate_alert'
    | 'patient_choice'
    | 'other'
  /** Required with other, ten characters or more. */
  readonly reasonText?: string
  /** Required for a hard stop: another doctor or pharmacist. */
  readonly secondApproverId?: string
}

export interface AlertOverride {
  readonly id: string
  readonly alertId: string
  readonly userId: string
  readonly reasonCode: OverrideAlertInput['reasonCode']
  readonly secondApproverId: string | null
  readonly overriddenAt: Date
}

export const overrideAlertSql = `
select
  id, alert_id as "alertId", user_id as "userId", reason_code as "reasonCode",
  second_approver_id as "secondApproverId", overridden_at as "overriddenAt"
from cds.override_alert($1, $2, $3, $4)`

/**
 * Goes on in spite of an alert; asked again, the first override.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005),
 * ApprovalMissingError (IM506)
 */
export async function overrideAlert(tx: Transaction, input: OverrideAlertInput): Promise<AlertOverride> {
  const { alertId, reasonCode, reasonText = null, secondApproverId = null } = input
  return single(await tx.query<AlertOverride>(overrideAlertSql, [alertId, reasonCode, reasonText, secondApproverId]))
}

export const expireAlertsSql = 'select cds.expire_alerts($1) as expired'

/** Ends old open alerts, never hard stops, at most `limit` (default 500); returns how many. For a job. */
export async function expireAlerts(tx: Transaction, limit = 500): Promise<number> {
  return single(await tx.query<{ expired: number }>(expireAlertsSql, [limit])).expired
}

export interface RunRulesInput {
  readonly hook: 'order_select' | 'order_sign' | 'result_in' | 'vitals_in' | 'encounter_open' | 'admission' | 'handover'
  readonly patientId: string
  readonly encounterId?: string
  readonly subjectType: string
  readonly subjectId: string
  /** Facts that rules read beside the patient's, named as they name them. */
  readonly facts?: Readonly<Record<string, unknown>>
}

export const runRulesSql = `select ${alertColumns}\nfrom cds.run_rules($1, $2, $3, $4, $5, $6::jsonb)`

/**
 * Asks the active rules of a hook; returns the alerts that hold, each written once.
 * @throws NotFoundError (IM005)
 */
export async function runRules(tx: Transaction, input: RunRulesInput): Promise<CdsAlert[]> {
  const { hook, patientId, encounterId = null, subjectType, subjectId, facts = {} } = input
  return tx.query<CdsAlert>(runRulesSql, [hook, patientId, encounterId, subjectType, subjectId, facts])
}
