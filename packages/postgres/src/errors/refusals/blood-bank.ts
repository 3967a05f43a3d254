import { refuse } from '../define.ts'

// Blood bank: IM35x and IM36x.
export const DonationIncompleteError = refuse(
  'IM350',
  'DonationIncompleteError',
  'IMH_DONATION_INCOMPLETE',
  'the tests of the donation are not complete',
  'enter and verify all tests, then release',
)
export const UnitExpiredError = refuse(
  'IM351',
  'UnitExpiredError',
  'IMH_UNIT_EXPIRED',
  'the unit is expired, or will be before it is used',
  'choose another unit',
)
export const UnitIncompatibleError = refuse(
  'IM352',
  'UnitIncompatibleError',
  'IMH_UNIT_INCOMPATIBLE',
  'the unit does not suit the recipient',
  'choose a compatible unit',
)
export const CrossmatchError = refuse(
  'IM353',
  'CrossmatchError',
  'IMH_CROSSMATCH',
  'there is no valid compatible crossmatch',
  'crossmatch again, or have a doctor order emergency release',
)
export const UnitAlreadyIssuedError = refuse(
  'IM354',
  'UnitAlreadyIssuedError',
  'IMH_UNIT_ALREADY_ISSUED',
  'the unit is issued or reserved for somebody else',
  'choose another unit',
)
export const GroupUnconfirmedError = refuse(
  'IM355',
  'GroupUnconfirmedError',
  'IMH_GROUP_UNCONFIRMED',
  'the blood group of the recipient is not confirmed by two samples',
  'take a second sample, or issue O red cells',
)
export const DonationReactiveError = refuse(
  'IM356',
  'DonationReactiveError',
  'IMH_DONATION_REACTIVE',
  'a test of the donation is reactive',
  'the components are discarded and the donor is deferred',
)
export const ReturnRefusedError = refuse(
  'IM357',
  'ReturnRefusedError',
  'IMH_RETURN_REFUSED',
  'the unit was out too long or its seal is broken',
  'discard it',
)
export const SecondCheckerError = refuse(
  'IM358',
  'SecondCheckerError',
  'IMH_SECOND_CHECKER',
  'two different people must check at the bedside',
  'ask a second person to check',
)
export const DonorNotEligibleError = refuse(
  'IM359',
  'DonorNotEligibleError',
  'IMH_DONOR_NOT_ELIGIBLE',
  'the donor may not donate now',
  'defer the donor; the message says which rule',
)
export const RequestTakesNoMoreError = refuse(
  'IM360',
  'RequestTakesNoMoreError',
  'IMH_REQUEST_TAKES_NO_MORE',
  'the blood request is not open, or has all its units',
  'accept the request first, free a unit that is kept for it, or make a new request',
)
