import * as abdm from './abdm.ts'
import type { Defect, Harmless } from './defect.ts'
import * as fhir from './fhir.ts'
import * as foundation from './foundation.ts'
import * as hipaa from './hipaa.ts'
import * as iso15189 from './iso15189.ts'
import * as nabh from './nabh.ts'
import * as nhcx from './nhcx.ts'
import * as pmjay from './pmjay.ts'

const families: Readonly<Record<string, { defects: readonly Defect[]; harmless: readonly Harmless[] }>> = {
  foundation,
  hipaa,
  abdm,
  nhcx,
  pmjay,
  fhir,
  iso15189,
  nabh,
}

export function defectsOf(family: string): readonly Defect[] {
  return families[family]?.defects ?? []
}

export function harmlessOf(family: string): readonly Harmless[] {
  return families[family]?.harmless ?? []
}
