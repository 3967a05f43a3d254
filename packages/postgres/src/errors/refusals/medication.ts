import { refuse } from '../define.ts'

// Prescribing and dispensing: IM40x.
export const HardStopAlertError = refuse(
  'IM401',
  'HardStopAlertError',
  'IMH_HARD_STOP_ALERT',
  'an unresolved hard-stop alert blocks the prescription',
  'change the prescription, or override with a reason and a second approver',
)
export const TelemedicineListError = refuse(
  'IM402',
  'TelemedicineListError',
  'IMH_TELEMEDICINE_LIST',
  'the drug may not be prescribed in a teleconsultation',
  'see the patient in person, or choose another drug',
)
export const WitnessRequiredError = refuse(
  'IM403',
  'WitnessRequiredError',
  'IMH_WITNESS_REQUIRED',
  'a second person must witness this',
  'name another member of staff as witness',
)
export const OverDispenseError = refuse(
  'IM404',
  'OverDispenseError',
  'IMH_OVER_DISPENSE',
  'more would be dispensed than was prescribed',
  'reduce the quantity',
)
export const CredentialExpiredError = refuse(
  'IM405',
  'CredentialExpiredError',
  'IMH_CREDENTIAL_EXPIRED',
  'the registration of the prescriber is not valid',
  'renew the registration, or ask another prescriber',
)
export const AllergiesNotReviewedError = refuse(
  'IM406',
  'AllergiesNotReviewedError',
  'IMH_ALLERGIES_NOT_REVIEWED',
  'allergies were not reviewed',
  'review the allergies, then sign',
)
