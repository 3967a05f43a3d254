import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export type ProcedureKind = 'surgery' | 'bedside' | 'diagnostic' | 'therapy'

/** A procedure as the operations return it. */
export interface Procedure {
  readonly id: string
  readonly procedureNumber: string
  readonly patientId: string
  readonly encounterId: string
  readonly kind: ProcedureKind
  readonly consentId: string | null
  readonly signInAt: Date | null
  readonly timeOutAt: Date | null
  readonly incisionAt: Date | null
  readonly signOutAt: Date | null
  readonly countsCorrect: boolean | null
  readonly status: 'preparation' | 'in_progress' | 'completed' | 'stopped' | 'not_done' | 'entered_in_error'
  readonly rowVersion: number
}

export const procedureColumns = `
  id, procedure_number as "procedureNumber", patient_id as "patientId", encounter_id as "encounterId", kind,
  consent_id as "consentId", sign_in_at as "signInAt", time_out_at as "timeOutAt", incision_at as "incisionAt",
  sign_out_at as "signOutAt", counts_correct as "countsCorrect", status, row_version as "rowVersion"`

export interface PlanProcedureInput {
  readonly encounterId: string
  readonly kind: ProcedureKind
  /** Code system as a URL. */
  readonly codeSystem: string
  readonly code: string
  readonly display: string
  readonly laterality?: 'left' | 'right' | 'bilateral' | 'na'
  readonly primarySurgeonId?: string
  readonly anaesthetistId?: string
  readonly anaesthesiaType?: string
  /** ASA physical status, 1 to 6. */
  readonly asaClass?: number
  readonly serviceRequestId?: string
  readonly consentId?: string
  readonly id?: string
}

export const planProcedureSql = `select ${procedureColumns}\nfrom clinical.plan_procedure($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

/**
 * Plans a procedure. An id that the caller chose is planned once.
 * @throws NotFoundError (IM005), IdempotencyKeyReusedError (IM011)
 */
export async function planProcedure(tx: Transaction, input: PlanProcedureInput): Promise<Procedure> {
  const {
    encounterId,
    kind,
    codeSystem,
    code,
    display,
    laterality = 'na',
    primarySurgeonId = null,
    anaesthetistId = null,
    anaesthesiaType = null,
    asaClass = null,
    serviceRequestId = null,
    consentId = null,
    id = null,
  } = input
  return single(
    await tx.query<Procedure>(planProcedureSql, [
      encounterId,
      kind,
      codeSystem,
      code,
      display,
      laterality,
      primarySurgeonId,
      anaesthetistId,
      anaesthesiaType,
      asaClass,
      serviceRequestId,
      consentId,
      id,
    ]),
  )
}

export const signInProcedureSql = `select ${procedureColumns}\nfrom clinical.sign_in_procedure($1, $2)`

/**
 * WHO checklist, sign-in before anaesthesia: the procedure begins. Surgery needs an active consent.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function signInProcedure(tx: Transaction, procedureId: string, answers: object = {}): Promise<Procedure> {
  return single(await tx.query<Procedure>(signInProcedureSql, [procedureId, answers]))
}

export const timeOutProcedureSql = `select ${procedureColumns}\nfrom clinical.time_out_procedure($1, $2)`

/**
 * WHO checklist, time-out before incision.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function timeOutProcedure(tx: Transaction, procedureId: string, answers: object = {}): Promise<Procedure> {
  return single(await tx.query<Procedure>(timeOutProcedureSql, [procedureId, answers]))
}

export const recordIncisionSql = `select ${procedureColumns}\nfrom clinical.record_incision($1)`

/**
 * Incision; never before the time-out.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function recordIncision(tx: Transaction, procedureId: string): Promise<Procedure> {
  return single(await tx.query<Procedure>(recordIncisionSql, [procedureId]))
}

export interface SignOutProcedureInput {
  readonly procedureId: string
  /** Swabs, needles and instruments were counted and none is missing. */
  readonly countsCorrect: boolean
  readonly answers?: object
  readonly bloodLossMl?: number
  readonly complications?: string
}

export const signOutProcedureSql = `select ${procedureColumns}\nfrom clinical.sign_out_procedure($1, $2, $3, $4, $5)`

/**
 * WHO checklist, sign-out before the patient leaves the theatre.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function signOutProcedure(tx: Transaction, input: SignOutProcedureInput): Promise<Procedure> {
  const { procedureId, countsCorrect, answers = {}, bloodLossMl = null, complications = null } = input
  return single(
    await tx.query<Procedure>(signOutProcedureSql, [procedureId, countsCorrect, answers, bloodLossMl, complications]),
  )
}

export const completeProcedureSql = `select ${procedureColumns}\nfrom clinical.complete_procedure($1)`

/**
 * The procedure is over, and so is its order.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function completeProcedure(tx: Transaction, procedureId: string): Promise<Procedure> {
  return single(await tx.query<Procedure>(completeProcedureSql, [procedureId]))
}

export const abandonProcedureSql = `select ${procedureColumns}\nfrom clinical.abandon_procedure($1, $2)`

/**
 * A planned procedure is not done, or one that began is stopped.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function abandonProcedure(tx: Transaction, procedureId: string, reason: string): Promise<Procedure> {
  return single(await tx.query<Procedure>(abandonProcedureSql, [procedureId, reason]))
}
