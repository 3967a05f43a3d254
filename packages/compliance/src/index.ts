export { InspectionNotPossibleError } from './errors.ts'
export {
  isCompliant,
  runCompliance,
  runComplianceInside,
  type ComplianceOptions,
  type ComplianceReport,
  type RuleResult,
  type VerdictCounts,
} from './run-compliance.ts'
export { recordCompliance } from './record-compliance.ts'
export { ruleFamilies } from './rules/index.ts'
export type { ComplianceRule, RuleFamily, Verdict } from './rule.ts'
export { complianceMarkdown } from './report/markdown.ts'
export { complianceHtml } from './report/html.ts'
