import type { Severity, Violation } from './finding.ts'
import type { VerifyContext } from './context.ts'

/**
 * A rule over the catalog: what it looks at, and what is wrong with one of those things. The same record runs on a
 * live database (verify) and on a catalog folded from files (lint).
 */
export interface Rule<Subject = unknown> {
  /** Stable, kebab-case, the name of its file. */
  readonly id: string
  readonly family: 'tenancy' | 'audit' | 'privileges' | 'structure' | 'documentation'
  readonly severity: Severity
  /** `style`: a matter of taste, that lint asks on request and verify never. */
  readonly profile?: 'style'
  /** What happens where the rule is broken. */
  readonly effect: string
  /** What to write instead. */
  readonly instead: string
  subjects(context: VerifyContext): Iterable<Subject>
  check(subject: Subject, context: VerifyContext): Iterable<Violation>
}

/** Keeps the subject's type inside the rule's file; lists of rules hold `Rule`. */
export function defineRule<Subject>(rule: Rule<Subject>): Rule {
  return rule
}
