import type { RuleFamily } from '../rule.ts'
import { abdm } from './abdm.ts'
import { dpdp } from './dpdp.ts'
import { fhir } from './fhir.ts'
import { foundation } from './foundation.ts'
import { hipaa } from './hipaa.ts'
import { iso15189 } from './iso15189.ts'
import { nabh } from './nabh.ts'
import { nhcx } from './nhcx.ts'
import { pci } from './pci.ts'
import { pmjay } from './pmjay.ts'

/** One file a family, in the order of the report. */
export const ruleFamilies: readonly RuleFamily[] = [
  foundation,
  hipaa,
  dpdp,
  abdm,
  nhcx,
  pmjay,
  fhir,
  iso15189,
  nabh,
  pci,
]
