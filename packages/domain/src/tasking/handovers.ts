import type { Transaction } from '@imhotep/postgres'
import { single, toColumns } from '../rows.ts'

/** A handover between two shifts, in the form of I-PASS. */
export interface Handover {
  readonly id: string
  readonly handoverNumber: string
  readonly fromShiftId: string
  readonly toShiftId: string
  readonly fromUserId: string
  readonly toUserId: string
  readonly dueAt: Date
  readonly acceptedAt: Date | null
  /** At submission the tasks that will move, after acceptance those that moved. */
  readonly openTaskCount: number
  readonly unresolvedAlertCount: number
  readonly status: HandoverStatus
}

export type HandoverStatus = 'draft' | 'submitted' | 'accepted' | 'completed' | 'rejected' | 'cancelled'

export type IllnessSeverity = 'stable' | 'watcher' | 'unstable'

const handoverColumns = `
  id, handover_number as "handoverNumber", from_shift_id as "fromShiftId", to_shift_id as "toShiftId",
  from_user_id as "fromUserId", to_user_id as "toUserId", due_at as "dueAt", accepted_at as "acceptedAt",
  open_task_count as "openTaskCount", unresolved_alert_count as "unresolvedAlertCount", status`

export interface DraftHandoverInput {
  readonly fromShiftId: string
  readonly toShiftId: string
  readonly toUserId: string
  /** Default: when the receiving shift starts. */
  readonly dueAt?: Date
  /** Encrypted by the application. */
  readonly summaryEnc?: Uint8Array
  readonly id?: string
}

export const draftHandoverSql = `select ${handoverColumns} from tasking.draft_handover($1, $2, $3, $4, $5, $6)`

/**
 * The signed-in user begins to hand over. A live handover between the same shifts and users is returned as it is.
 * @throws NotFoundError (IM005), NotPermittedError (IM006), ShiftClosedError (IM752)
 */
export async function draftHandover(tx: Transaction, input: DraftHandoverInput): Promise<Handover> {
  const { fromShiftId, toShiftId, toUserId, dueAt = null, summaryEnc = null, id = null } = input
  return single(await tx.query<Handover>(draftHandoverSql, [fromShiftId, toShiftId, toUserId, dueAt, summaryEnc, id]))
}

/** What is said about one patient. */
export interface HandoverPatient {
  readonly id: string
  readonly handoverId: string
  readonly patientId: string
  readonly bedId: string | null
  readonly illnessSeverity: IllnessSeverity
  readonly readBackAt: Date | null
}

const patientColumns = `
  id, handover_id as "handoverId", patient_id as "patientId", bed_id as "bedId", illness_severity as "illnessSeverity",
  read_back_at as "readBackAt"`

export interface AddHandoverPatientInput {
  readonly handoverId: string
  readonly encounterId: string
  readonly illnessSeverity: IllnessSeverity
  /** Encrypted by the application, as is the situation. */
  readonly patientSummaryEnc: Uint8Array
  readonly actionList?: readonly { readonly what: string; readonly by?: string; readonly at?: string }[]
  /** Required for an unstable patient. */
  readonly contingencyPlan?: readonly { readonly when: string; readonly do: string }[]
  readonly situationAwarenessEnc?: Uint8Array
  readonly orderNo?: number
}

export const addHandoverPatientSql = `
select ${patientColumns} from tasking.add_handover_patient($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7, $8)`

/**
 * Puts a patient on a draft, or what is said about them in place of what stood there.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function addHandoverPatient(tx: Transaction, input: AddHandoverPatientInput): Promise<HandoverPatient> {
  const rows = await tx.query<HandoverPatient>(addHandoverPatientSql, [
    input.handoverId,
    input.encounterId,
    input.illnessSeverity,
    input.patientSummaryEnc,
    JSON.stringify(input.actionList ?? []),
    JSON.stringify(input.contingencyPlan ?? []),
    input.situationAwarenessEnc ?? null,
    input.orderNo ?? 0,
  ])
  return single(rows)
}

export const submitHandoverSql = `select ${handoverColumns} from tasking.submit_handover($1)`

/**
 * The giver is done writing: the receiver is asked.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), ShiftClosedError (IM752)
 */
export async function submitHandover(tx: Transaction, handoverId: string): Promise<Handover> {
  return single(await tx.query<Handover>(submitHandoverSql, [handoverId]))
}

export const cancelHandoverSql = `select ${handoverColumns} from tasking.cancel_handover($1, $2)`

/**
 * The giver takes back what nobody has accepted.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function cancelHandover(tx: Transaction, handoverId: string, reason: string): Promise<Handover> {
  return single(await tx.query<Handover>(cancelHandoverSql, [handoverId, reason]))
}

export const reviseHandoverSql = `select ${handoverColumns} from tasking.revise_handover($1)`

/**
 * A rejected handover is a draft again.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function reviseHandover(tx: Transaction, handoverId: string): Promise<Handover> {
  return single(await tx.query<Handover>(reviseHandoverSql, [handoverId]))
}

export const readBackSql = `select ${patientColumns} from tasking.read_back($1, $2, $3)`

/**
 * The receiver says what they heard about a patient; the first read-back stays.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotAddresseeError (IM750)
 */
export async function readBack(
  tx: Transaction,
  handoverId: string,
  patientId: string,
  synthesisEnc?: Uint8Array,
): Promise<HandoverPatient> {
  return single(await tx.query<HandoverPatient>(readBackSql, [handoverId, patientId, synthesisEnc ?? null]))
}

export const acceptHandoverSql = `select ${handoverColumns} from tasking.accept_handover($1, $2::jsonb)`

/**
 * The receiver takes over: the open tasks of the patients and of the ward go to the receiving shift. Accepted once; asked
 * again, the answer is the same.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotAddresseeError (IM750), NotReadBackError (IM751),
 *   ShiftClosedError (IM752)
 */
export async function acceptHandover(
  tx: Transaction,
  handoverId: string,
  readBacks: readonly { readonly patientId: string; readonly synthesisEnc?: Uint8Array }[] = [],
): Promise<Handover> {
  return single(await tx.query<Handover>(acceptHandoverSql, [handoverId, JSON.stringify(readBacks.map(toColumns))]))
}

export const rejectHandoverSql = `select ${handoverColumns} from tasking.reject_handover($1, $2)`

/**
 * The receiver misses something.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005), NotAddresseeError (IM750)
 */
export async function rejectHandover(tx: Transaction, handoverId: string, reason: string): Promise<Handover> {
  return single(await tx.query<Handover>(rejectHandoverSql, [handoverId, reason]))
}

export const completeHandoverSql = `select ${handoverColumns} from tasking.complete_handover($1)`

/**
 * Giver or receiver: nothing is left to say.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function completeHandover(tx: Transaction, handoverId: string): Promise<Handover> {
  return single(await tx.query<Handover>(completeHandoverSql, [handoverId]))
}

export const closeShiftSql = `select status from tasking.close_shift($1)`

/**
 * Ends a shift whose tasks are done or handed over.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), ShiftClosedError (IM752) open tasks, or a waiting handover
 */
export async function closeShift(tx: Transaction, shiftId: string): Promise<'closed'> {
  return single(await tx.query<{ status: 'closed' }>(closeShiftSql, [shiftId])).status
}
