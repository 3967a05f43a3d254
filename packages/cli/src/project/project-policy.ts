import { defaultPolicy, type VerifyPolicy } from '@imhotep/engine'
import type { Config } from './config.ts'

/**
 * What nobody may read in a copy of a hospital's database. An identity number of a person (Aadhaar Act, s. 29; DPDP Act,
 * s. 8) is kept encrypted; of a card nothing is kept but what PCI DSS 3.3 leaves.
 */
const sensitiveColumns: VerifyPolicy['sensitiveColumns'] = [
  {
    match: '^(card|credit_card|debit_card)_?(number|no|num)$|^(cvv|cvc|cvv2|card_pin|track_data)$',
    reason: 'card data may not be kept',
    types: [],
  },
  {
    match: '^(aadhaar|aadhar|uidai?)(_?(number|no|num|id))?$',
    reason: 'an Aadhaar number in clear text can be read in every copy and log',
  },
  {
    match: '^(passport|ssn|national_id|social_security|voter_id|driving_licen[cs]e|pan)(_?(number|no|num|id))?$',
    reason: 'an identity number in clear text can be read in every copy and log',
  },
]

/** The policy of a project: what its config says, over the conventions of Imhotep's own schema. */
export function projectPolicy({ policy = {} }: Config): VerifyPolicy {
  return { ...defaultPolicy, sensitiveColumns, ...policy }
}
