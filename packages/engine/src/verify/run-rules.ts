import type { VerifyContext } from './context.ts'
import type { Finding, Violation } from './finding.ts'
import type { Rule } from './rule.ts'

export interface RuleResult {
  /** How many times a rule looked at an object. */
  readonly checks: number
  readonly findings: Finding[]
}

/** Runs every rule on everything it looks at. Findings come in the order of the rules, then of the catalog. */
export function runRules(rules: readonly Rule[], context: VerifyContext): RuleResult {
  const findings: Finding[] = []
  let checks = 0
  for (const rule of rules) {
    for (const subject of rule.subjects(context)) {
      checks += 1
      for (const violation of rule.check(subject, context)) findings.push(toFinding(rule, violation))
    }
  }
  return { checks, findings }
}

function toFinding(rule: Rule, violation: Violation): Finding {
  return {
    rule: rule.id,
    family: rule.family,
    severity: rule.severity,
    file: violation.position?.file ?? null,
    line: violation.position?.line ?? null,
    column: violation.position?.column ?? null,
    object: violation.object,
    message: violation.message,
    related: (violation.related ?? []).flatMap(({ position, message }) =>
      position ? [{ file: position.file, line: position.line, message }] : [],
    ),
    help: rule.instead,
    fix: violation.fix ?? null,
  }
}
