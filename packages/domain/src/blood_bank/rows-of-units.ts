/** A unit as the operations return it. */
export interface BloodUnit {
  readonly id: string
  readonly donationId: string
  readonly din: string
  readonly component: BloodComponent
  /** Null until the donation is released. */
  readonly abo: 'A' | 'B' | 'AB' | 'O' | null
  readonly rhd: 'pos' | 'neg' | null
  readonly volumeMl: number
  readonly expiresAt: Date
  readonly reservedForRequestId: string | null
  readonly reservedUntil: Date | null
  readonly status: BloodUnitStatus
  readonly rowVersion: number
}

export const unitColumns = `
  id, donation_id as "donationId", din, component, abo, rhd, volume_ml as "volumeMl", expires_at as "expiresAt",
  reserved_for_request_id as "reservedForRequestId", reserved_until as "reservedUntil", status,
  row_version as "rowVersion"`

/** What a sample of a patient said. */
export interface PatientBloodGroup {
  readonly id: string
  readonly patientId: string
  readonly sampleId: string
  readonly abo: 'A' | 'B' | 'AB' | 'O'
  readonly rhd: 'pos' | 'neg' | 'weak'
  readonly antibodyScreen: 'negative' | 'positive' | 'not_done'
  readonly verifiedBy: string | null
  readonly status: 'first_sample' | 'confirmed' | 'discrepant' | 'rejected'
}

export const groupColumns = `
  id, patient_id as "patientId", sample_id as "sampleId", abo, rhd, antibody_screen as "antibodyScreen",
  verified_by as "verifiedBy", status`

/** A request as the operations return it. */
export interface BloodRequest {
  readonly id: string
  readonly requestNumber: string
  readonly patientId: string
  readonly encounterId: string
  readonly component: BloodComponent
  readonly unitsRequested: number
  readonly unitsIssued: number
  readonly urgency: BloodUrgency
  readonly emergencyReleaseBy: string | null
  readonly emergencyReleaseAt: Date | null
  readonly status: 'requested' | 'accepted' | 'partially_issued' | 'fulfilled' | 'closed' | 'rejected' | 'cancelled'
  readonly rowVersion: number
}

export const requestColumns = `
  id, request_number as "requestNumber", patient_id as "patientId", encounter_id as "encounterId", component,
  units_requested as "unitsRequested", units_issued as "unitsIssued", urgency,
  emergency_release_by as "emergencyReleaseBy", emergency_release_at as "emergencyReleaseAt", status, row_version as "rowVersion"`

/** A crossmatch as the operations return it. */
export interface BloodCrossmatch {
  readonly id: string
  readonly requestId: string
  readonly componentId: string
  readonly sampleId: string
  readonly method: CrossmatchMethod
  readonly result: CrossmatchResult | null
  readonly validUntil: Date
  readonly status: 'pending' | 'compatible' | 'incompatible' | 'used' | 'expired' | 'released'
}

export const crossmatchColumns = `
  id, request_id as "requestId", component_id as "componentId", sample_id as "sampleId", method, result,
  valid_until as "validUntil", status`

/** An issue as the operations return it. */
export interface BloodIssue {
  readonly id: string
  readonly issueNumber: string
  readonly componentId: string
  readonly requestId: string
  readonly crossmatchId: string | null
  readonly patientId: string
  readonly issuedAt: Date
  readonly startedAt: Date | null
  readonly endedAt: Date | null
  readonly returnedAt: Date | null
  /** What was accepted knowingly or noticed. */
  readonly warnings: readonly string[]
  readonly status: 'issued' | 'transfusing' | 'stopped' | 'completed' | 'returned'
  readonly rowVersion: number
}

export const issueColumns = `
  id, issue_number as "issueNumber", component_id as "componentId", request_id as "requestId",
  crossmatch_id as "crossmatchId", patient_id as "patientId", issued_at as "issuedAt", started_at as "startedAt",
  ended_at as "endedAt", returned_at as "returnedAt", warnings, status, row_version as "rowVersion"`

/** A reaction as the operations return it. */
export interface TransfusionReaction {
  readonly id: string
  readonly reactionNumber: string
  readonly issueId: string
  readonly kind: ReactionKind
  readonly severity: ReactionSeverity
  readonly imputability: Imputability | null
  readonly status: 'reported' | 'investigating' | 'concluded' | 'closed'
}

export const reactionColumns = `
  id, reaction_number as "reactionNumber", issue_id as "issueId", kind, severity, imputability, status`

export type BloodComponent =
  'WB' | 'PRBC' | 'PRBC_SAGM' | 'LR_PRBC' | 'IRRAD_PRBC' | 'FFP' | 'CPP' | 'CRYO' | 'PLT_RDP' | 'PLT_SDP'

export type BloodUnitStatus =
  | 'quarantined'
  | 'available'
  | 'reserved'
  | 'crossmatched'
  | 'issued'
  | 'transfused'
  | 'returned'
  | 'expired'
  | 'split'
  | 'discarded'

export type BloodUrgency = 'routine' | 'urgent' | 'emergency_uncrossmatched' | 'massive_transfusion'

export type CrossmatchMethod = 'immediate_spin' | 'ahg' | 'gel' | 'electronic'

export type CrossmatchResult = 'compatible' | 'incompatible' | 'least_incompatible'

export type ReactionKind =
  | 'febrile'
  | 'allergic'
  | 'anaphylaxis'
  | 'acute_haemolytic'
  | 'delayed_haemolytic'
  | 'taco'
  | 'trali'
  | 'septic'
  | 'other'

export type ReactionSeverity = 'mild' | 'moderate' | 'severe' | 'life_threatening' | 'fatal'

export type Imputability = 'definite' | 'probable' | 'possible' | 'unlikely' | 'excluded' | 'not_assessable'
