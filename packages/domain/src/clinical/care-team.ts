import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export type CareTeamRole =
  'attending' | 'consultant' | 'resident' | 'nurse' | 'anaesthetist' | 'therapist' | 'dietician' | 'social_worker'

/** A member of the care team of an encounter. */
export interface CareTeamMember {
  readonly id: string
  readonly encounterId: string
  readonly staffId: string
  readonly role: CareTeamRole
}

export const careTeamMemberColumns = `
  id, encounter_id as "encounterId", staff_id as "staffId", role`

export const addCareTeamMemberSql = `select ${careTeamMemberColumns}\nfrom clinical.add_care_team_member($1, $2, $3)`

/**
 * A member of staff joins the care team of an encounter. Asked again: the same row.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function addCareTeamMember(
  tx: Transaction,
  encounterId: string,
  staffId: string,
  role: CareTeamRole,
): Promise<CareTeamMember> {
  return single(await tx.query<CareTeamMember>(addCareTeamMemberSql, [encounterId, staffId, role]))
}

export const endCareTeamMemberSql = `select ${careTeamMemberColumns}\nfrom clinical.end_care_team_member($1)`

/**
 * A member of the care team treats the patient no longer.
 * @throws NotFoundError (IM005)
 */
export async function endCareTeamMember(tx: Transaction, memberId: string): Promise<CareTeamMember> {
  return single(await tx.query<CareTeamMember>(endCareTeamMemberSql, [memberId]))
}
