export { parseSql, type ParsedFile, type ParsedStatement } from './parse/parse-sql.ts'
export { SqlSyntaxError } from './parse/syntax-error.ts'
export { codeFrame } from './parse/code-frame.ts'
export { splitSql, type Span } from './parse/split-sql.ts'
export { normalisedHash } from './parse/normalised-hash.ts'
export { statementKind } from './parse/statement-kind.ts'
export { walkTree } from './parse/walk.ts'
export type { Node } from './parse/parser.ts'
export { statementReferences, type Reference } from './parse/references.ts'

export { readModules } from './modules/read-modules.ts'
export { checkModules } from './modules/check-modules.ts'
export { checkModuleBoundaries } from './modules/check-module-boundaries.ts'
export { dependencyOrder } from './modules/dependency-order.ts'
export { ModuleError } from './modules/module-error.ts'
export type { Module, ModuleFile, Separate, StartOfTable } from './modules/module.ts'

export * from './catalog/model.ts'
export { readCatalog, readCatalogInside } from './catalog/live.ts'
export { CatalogLockedError } from './catalog/errors.ts'
export {
  foldErrors,
  foldFiles,
  foldParsed,
  foldStatement,
  startFold,
  type Fold,
  type FoldOptions,
  type KnownEffect,
} from './catalog/files.ts'
export { compareCatalogs, type CompareOptions, type Difference } from './catalog/compare.ts'

export { printCatalog, printedScript, type PrintOptions } from './print/print-catalog.ts'
export type { PrintedObject, Section } from './print/printed-object.ts'

export { diffCatalogs, type DiffOptions } from './diff/diff-catalogs.ts'
export { diffScript } from './diff/diff-script.ts'
export { inThreeParts } from './diff/new-values-first.ts'
export type { DiffStatement, Hazard } from './diff/diff-statement.ts'
export { makeComparable } from './diff/comparable.ts'
export { readLive, runOn, withScratch, type Scratch } from './diff/scratch.ts'

export { squashHistory, type Squashed, type SquashOptions } from './squash/squash-history.ts'

export { undoMigrations, type UndoOptions, type UndoResult } from './undo/undo-migrations.ts'
export type { UndoStep } from './undo/undo-plan.ts'
export * from './undo/errors.ts'

export { planModules, type PlanOptions } from './plan/plan-modules.ts'
export { readPresets, type Presets } from './plan/read-presets.ts'
export { selectModules, type Selection } from './plan/select-modules.ts'
export type { LeftOutForeignKey, Part, Plan, PlannedStatement, PlanSection } from './plan/plan.ts'

export { bundleServices, type BundleServicesOptions, type ServiceBundle } from './topology/bundle-services.ts'
export { serviceModules } from './topology/service-modules.ts'
export { serviceNames, serviceTopology } from './topology/service-topology.ts'
export {
  defaultTopologyOptions,
  type LeftOutObject,
  type PublishedTable,
  type ServiceTopology,
  type SoftReference,
  type TopologyOptions,
} from './topology/topology.ts'

export { bundleModules, type BundleOptions } from './bundle/bundle-modules.ts'
export { quoteIdentifier, quoteLiteral, quoteQualified } from './bundle/quote.ts'
export { NotRepeatableError } from './bundle/not-repeatable-error.ts'

export {
  applyMigrations,
  type AppliedFile,
  type HistorySource,
  type MigrateOptions,
  type MigrateResult,
  type PendingFile,
} from './migrate/apply-migrations.ts'
export { DEFAULT_HISTORY_TABLE, historyTable, historyTableDdl, type HistoryTable } from './migrate/history-table.ts'
export { markBaseline, type BaselineOptions } from './migrate/mark-baseline.ts'
export { compareVersions, isVersion, type MigrationFile, type MigrationNote } from './migrate/migration-file.ts'
export {
  migrationStatus,
  type MigrationStatus,
  type StatusOptions,
  type VersionStatus,
} from './migrate/migration-status.ts'
export { DEFAULT_ENVIRONMENT_SQL, readEnvironment } from './migrate/read-environment.ts'
export { parseAhead } from './migrate/prepare-files.ts'
export { historyOf, readHistory, type MigrationSource } from './migrate/read-history.ts'
export { repairMigration, type RepairOptions, type RepairResult } from './migrate/repair-migration.ts'
export * from './migrate/errors.ts'
export * from './migrate/knex/errors.ts'
export { migrationsAmong, planKnexSources, type PlannedSources } from './migrate/knex/lint-sources.ts'
export { unifiedDiff } from './migrate/line-diff.ts'

export { applySeeds, type SeedOptions, type SeedResult } from './seed/apply-seeds.ts'
export { SeedGuardError, SeedOrderError, SeedRefusedError } from './seed/errors.ts'
export { seedFiles, type SeedFile, type SeedKind } from './seed/seed-files.ts'

export * from './verify/index.ts'

export { lintFiles, type LintOptions, type LintReport } from './lint/lint-files.ts'
export { lintRules } from './lint/rules/index.ts'
export { applyEdits } from './lint/apply-edits.ts'
export { knownOf, withoutKnown, type KnownFindings } from './lint/known-findings.ts'
export { excerpts, lintText } from './lint/report/text.ts'
export { lintSarif } from './lint/report/sarif.ts'
export { lintGithub } from './lint/report/github.ts'
export { lintGitlab } from './lint/report/gitlab.ts'
export type { Edit, LintFamily, LintRule } from './lint/rule.ts'
export type { LintSource } from './lint/read-files.ts'

export * from './baseline/index.ts'
export {
  STATUSES,
  type DecidedStatement,
  type Decision,
  type DecisionStatus,
  type DiffFacts,
  type FindingFacts,
  type TableSize,
} from './adr/decision.ts'
export { decisionFile, nextNumber, writeDecision } from './adr/write-decision.ts'
export { tablesOf, tableSizes } from './adr/table-sizes.ts'
