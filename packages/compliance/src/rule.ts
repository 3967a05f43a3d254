import type { Inspection } from './inspection.ts'

/** One rule that an inspector asks for, and the check that answers for this database. */
export interface ComplianceRule {
  /** As in the reports, `HIP-01`: the prefix of the family and a number. */
  readonly id: string
  /** Section, clause or requirement that asks for it. */
  readonly source: string
  /** What must hold, one clause, no full stop. */
  readonly rule: string
  /** catalogue: a fact of the definitions. data: no row breaks it. behaviour: a probe tries to break it and fails. */
  readonly kind: 'catalogue' | 'data' | 'behaviour'
  check(inspection: Inspection): Promise<Verdict> | Verdict
}

/** Rules of one source, in one file. */
export interface RuleFamily {
  readonly name: string
  readonly title: string
  /** Text of the law or standard that the clause numbers were not compared with: a person with the text confirms them. */
  readonly unconfirmedClauses: boolean
  readonly rules: readonly ComplianceRule[]
}

/** The answer of a rule. A pass needs evidence: what was looked at, and how much of it. */
export type Verdict =
  | { readonly verdict: 'pass'; readonly evidence: string }
  | { readonly verdict: 'fail'; readonly evidence: string; readonly offenders: readonly string[] }
  | { readonly verdict: 'not applicable'; readonly reason: string }
  | { readonly verdict: 'needs a person'; readonly reason: string }

export function pass(evidence: string): Verdict {
  return { verdict: 'pass', evidence }
}

/** Offenders are names and ids, never values of rows. */
export function fail(evidence: string, offenders: readonly string[] = []): Verdict {
  return { verdict: 'fail', evidence, offenders }
}

export function notApplicable(reason: string): Verdict {
  return { verdict: 'not applicable', reason }
}

export function needsPerson(reason: string): Verdict {
  return { verdict: 'needs a person', reason }
}
