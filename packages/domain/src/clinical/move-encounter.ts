import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { encounterColumns, type Disposition, type Encounter, type Isolation } from './encounter.ts'

export const arriveEncounterSql = `select ${encounterColumns}\nfrom clinical.arrive_encounter($1)`

/**
 * The patient is here.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function arriveEncounter(tx: Transaction, encounterId: string): Promise<Encounter> {
  return single(await tx.query<Encounter>(arriveEncounterSql, [encounterId]))
}

export const triageEncounterSql = `select ${encounterColumns}\nfrom clinical.triage_encounter($1, $2, $3)`

/**
 * Triage, level 1 (most urgent) to 5; may be repeated with another level.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function triageEncounter(
  tx: Transaction,
  encounterId: string,
  level: number,
  isolation: Isolation | null = null,
): Promise<Encounter> {
  return single(await tx.query<Encounter>(triageEncounterSql, [encounterId, level, isolation]))
}

export const startEncounterSql = `select ${encounterColumns}\nfrom clinical.start_encounter($1, $2)`

/**
 * The patient is seen; the attending doctor joins the care team. Takes a patient back from leave as well.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function startEncounter(
  tx: Transaction,
  encounterId: string,
  attendingDoctorId: string | null = null,
): Promise<Encounter> {
  return single(await tx.query<Encounter>(startEncounterSql, [encounterId, attendingDoctorId]))
}

export const sendOnLeaveSql = `select ${encounterColumns}\nfrom clinical.send_on_leave($1)`

/**
 * The patient goes home for some hours and keeps the bed.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function sendOnLeave(tx: Transaction, encounterId: string): Promise<Encounter> {
  return single(await tx.query<Encounter>(sendOnLeaveSql, [encounterId]))
}

export const finishEncounterSql = `select ${encounterColumns}\nfrom clinical.finish_encounter($1, $2)`

/**
 * The contact is over: the care team ends, a bed goes to cleaning. A stay ends with recordDeparture.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function finishEncounter(
  tx: Transaction,
  encounterId: string,
  disposition: Disposition,
): Promise<Encounter> {
  return single(await tx.query<Encounter>(finishEncounterSql, [encounterId, disposition]))
}

export const cancelEncounterSql = `select ${encounterColumns}\nfrom clinical.cancel_encounter($1, $2)`

/**
 * Cancels an encounter that has not begun, with the bed that was kept for it.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function cancelEncounter(tx: Transaction, encounterId: string, reason: string): Promise<Encounter> {
  return single(await tx.query<Encounter>(cancelEncounterSql, [encounterId, reason]))
}

export const registerMedicoLegalCaseSql = `select ${encounterColumns}\nfrom clinical.register_medico_legal_case($1, $2)`

/**
 * Makes an encounter a medico-legal case with a number of its own.
 * @throws NotFoundError (IM005)
 */
export async function registerMedicoLegalCase(
  tx: Transaction,
  encounterId: string,
  policeIntimatedAt: Date | null = null,
): Promise<Encounter> {
  return single(await tx.query<Encounter>(registerMedicoLegalCaseSql, [encounterId, policeIntimatedAt]))
}
