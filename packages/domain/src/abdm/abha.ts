/** An ABHA account as the operations return it. */
export interface AbhaAccount {
  readonly id: string
  readonly patientId: string | null
  readonly abhaNumberLast4: string | null
  readonly abhaAddress: string | null
  readonly kycStatus: 'verified' | 'unverified' | 'pending'
  readonly verifiedAt: Date | null
  readonly networkStatus: 'ACTIVE' | 'DEACTIVATED' | 'DELETED'
  /** What differed between profile and patient when it was linked. */
  readonly mismatches: readonly ('name' | 'sex' | 'birth_year')[]
  readonly status: 'captured' | 'verified' | 'rejected' | 'linked' | 'unlinked' | 'deactivated'
  readonly rowVersion: number
}

export const accountColumns = `
  id, patient_id as "patientId", abha_number_last4 as "abhaNumberLast4", abha_address as "abhaAddress",
  kyc_status as "kycStatus", verified_at as "verifiedAt", network_status as "networkStatus", mismatches, status,
  row_version as "rowVersion"`

/** An attempt to create, verify or link an ABHA. */
export interface AbhaRegistration {
  readonly id: string
  readonly requestId: string
  readonly patientId: string | null
  readonly abhaAccountId: string | null
  readonly txnId: string | null
  /** How often an OTP was tried; the third wrong one ends the attempt. */
  readonly otpAttempts: number
  readonly errorCode: string | null
  readonly status:
    'initiated' | 'otp_sent' | 'otp_verified' | 'enrolled' | 'address_set' | 'linked' | 'failed' | 'expired'
}

export const registrationColumns = `
  id, request_id as "requestId", patient_id as "patientId", abha_account_id as "abhaAccountId", txn_id as "txnId",
  otp_attempts as "otpAttempts", error_code as "errorCode", status`
