import type { RuleFamily } from '../rule.ts'
import { abdm } from './abdm.ts'
import { foundation } from './foundation.ts'
import { hipaa } from './hipaa.ts'
import { nhcx } from './nhcx.ts'
import { pmjay } from './pmjay.ts'

/** One file a family, in the order of the report. */
export const ruleFamilies: readonly RuleFamily[] = [foundation, hipaa, abdm, nhcx, pmjay]
