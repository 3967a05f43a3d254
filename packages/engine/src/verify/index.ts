export { verifyDatabase, isVerified, type VerifyOptions, type VerifyReport } from './verify-database.ts'
export {
  attackDatabase,
  attackInside,
  type AttackOptions,
  type AttackReport,
  type AttackSuccess,
} from './attack/attack-database.ts'
export { AttackNotPossibleError } from './attack/errors.ts'
export { catalogRules, verifyRules } from './rules/index.ts'
export { runRules } from './run-rules.ts'
export { makeContext, type VerifyContext } from './context.ts'
export { noFacts, type Facts } from './facts.ts'
export {
  defaultPolicy,
  type AllowedPolicy,
  type Scope,
  type SensitiveColumn,
  type TablePolicy,
  type VerifyPolicy,
} from './policy.ts'
export { readFacts } from './read-facts.ts'
export { parseTags } from './tags.ts'
export type { Finding, RelatedPlace, Severity, Violation } from './finding.ts'
export type { Rule } from './rule.ts'
