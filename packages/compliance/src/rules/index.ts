import type { RuleFamily } from '../rule.ts'
import { dpdp } from './dpdp.ts'
import { foundation } from './foundation.ts'
import { hipaa } from './hipaa.ts'
import { pci } from './pci.ts'

/** One file a family, in the order of the report. */
export const ruleFamilies: readonly RuleFamily[] = [foundation, hipaa, dpdp, pci]
