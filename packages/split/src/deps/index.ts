export type { Dependency, DependencyKind, Findings, Warning, WayOut } from './dependency.ts'
export { findDependencies, type DependencySources } from './find-dependencies.ts'
export type { SeenStatement } from './statement-dependencies.ts'
export type { SourceFolder } from './sources/source-code.ts'
export { fromGeneralLog, fromPostgresLog, fromSlowLog } from './sources/logs.ts'
export {
  digestQuery,
  fromDigests,
  fromPgStatStatements,
  pgStatStatementsQuery,
  type DigestRow,
  type PgStatStatement,
} from './sources/statistics.ts'
export { assertOnlyShrinks, judge, type AllowEntry, type AllowList, type Verdict } from './allow-list/allow-list.ts'
export { readAllowList, shrinkAllowList, startAllowList } from './allow-list/allow-list-file.ts'
export { AllowListError, AllowListGrowthError } from './allow-list/errors.ts'
export { dependencyJson, dependencyText } from './report/text.ts'
export { dependencyHtml } from './report/html.ts'
