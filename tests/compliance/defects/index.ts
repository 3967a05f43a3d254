import type { Defect, Harmless } from './defect.ts'
import * as abdm from './abdm.ts'
import * as dpdp from './dpdp.ts'
import * as fhir from './fhir.ts'
import * as foundation from './foundation.ts'
import * as hipaa from './hipaa.ts'
import * as iso15189 from './iso15189.ts'
import * as nabh from './nabh.ts'
import * as nhcx from './nhcx.ts'
import * as pci from './pci.ts'
import * as pmjay from './pmjay.ts'

const families: Readonly<Record<string, { defects: readonly Defect[]; harmless: readonly Harmless[] }>> = {
  abdm,
  dpdp,
  fhir,
  foundation,
  hipaa,
  iso15189,
  nabh,
  nhcx,
  pci,
  pmjay,
}

export function defectsOf(family: string): readonly Defect[] {
  return families[family]?.defects ?? []
}

export function harmlessOf(family: string): readonly Harmless[] {
  return families[family]?.harmless ?? []
}
