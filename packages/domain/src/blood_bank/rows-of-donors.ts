/** A donor as the operations return it. */
export interface Donor {
  readonly id: string
  readonly donorNumber: string
  readonly patientId: string | null
  readonly name: string
  /** Such as AB-; null before the first release. */
  readonly bloodGroup: string | null
  readonly totalDonations: number
  readonly status: 'active' | 'deferred' | 'inactive' | 'permanently_deferred'
  readonly rowVersion: number
}

export const donorColumns = `
  id, donor_number as "donorNumber", patient_id as "patientId", name, blood_group as "bloodGroup",
  total_donations as "totalDonations", status, row_version as "rowVersion"`

/** Why and until when a donor may not give. */
export interface DonorDeferral {
  readonly id: string
  readonly donorId: string
  readonly reasonCode: string
  readonly kind: 'temporary' | 'permanent'
  /** YYYY-MM-DD. */
  readonly fromOn: string
  /** YYYY-MM-DD; null when permanent. */
  readonly untilOn: string | null
  readonly source: 'screening' | 'tti' | 'post_donation' | 'lookback'
}

export const deferralColumns = `
  id, donor_id as "donorId", reason_code as "reasonCode", kind, from_on::text as "fromOn",
  until_on::text as "untilOn", source`

/** A donation as the operations return it. */
export interface Donation {
  readonly id: string
  readonly donorId: string
  /** ISBT 128 number, from the needle on. */
  readonly din: string | null
  readonly kind: DonationKind
  readonly eligible: boolean
  /** Set exactly when the status is deferred. */
  readonly deferralReason: string | null
  readonly volumeMl: number | null
  readonly startedAt: Date | null
  readonly endedAt: Date | null
  readonly status:
    | 'registered'
    | 'screened'
    | 'deferred'
    | 'collecting'
    | 'collected'
    | 'incomplete'
    | 'quarantined'
    | 'released'
    | 'discarded'
  readonly rowVersion: number
}

export const donationColumns = `
  id, donor_id as "donorId", din, kind, eligible, deferral_reason as "deferralReason", volume_ml as "volumeMl",
  started_at as "startedAt", ended_at as "endedAt", status, row_version as "rowVersion"`

/** A test of a donation as the operations return it. */
export interface DonationTest {
  readonly id: string
  readonly donationId: string
  readonly test: DonationTestName
  readonly result: 'non_reactive' | 'reactive' | 'indeterminate' | 'invalid' | null
  readonly groupResult: string | null
  readonly repeatNo: number
  readonly testedBy: string
  readonly verifiedBy: string | null
  readonly status: 'entered' | 'verified' | 'invalid'
}

export const testColumns = `
  id, donation_id as "donationId", test, result, group_result as "groupResult", repeat_no as "repeatNo",
  tested_by as "testedBy", verified_by as "verifiedBy", status`

export type DonationKind = 'whole_blood' | 'plateletpheresis' | 'plasmapheresis' | 'double_red_cell'

export type DonationTestName =
  'HIV' | 'HBSAG' | 'HCV' | 'SYPHILIS' | 'MALARIA' | 'NAT' | 'ABO_FORWARD' | 'ABO_REVERSE' | 'RHD' | 'ANTIBODY_SCREEN'
