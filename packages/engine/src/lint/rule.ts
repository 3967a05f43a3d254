import type { Catalog, SourcePosition } from '../catalog/model.ts'
import type { MigrationName } from '../migrate/migration-file.ts'
import type { ParsedFile, ParsedStatement } from '../parse/parse-sql.ts'
import type { VerifyPolicy } from '../verify/policy.ts'
import type { Severity } from '../verify/finding.ts'
import type { HistoryIndex } from './history/history-index.ts'

export type LintFamily = 'history' | 'locks' | 'destruction' | 'tenancy' | 'policy' | 'structure'

/**
 * A rule over the statements of a history. It sees each statement together with the catalog as it stands right before it.
 * Its folder holds `<id>.ts`, `bad.sql` (each line it must find ends with `-- here`) and `good.sql`; its page in docs/reference is
 * made of these.
 */
export interface LintRule {
  /** Stable, kebab-case, the name of its folder. */
  readonly id: string
  readonly family: LintFamily
  readonly severity: Severity
  /** `style` rules run on request only. Default: `default`. */
  readonly profile?: 'default' | 'style'
  /** What the mistake does to production. */
  readonly effect: string
  /** What to write instead. */
  readonly instead: string
  /** Tags of the statements that `check` looks at (`AlterTableStmt`); absent: every statement. */
  readonly on?: readonly string[]
  check?(statement: ParsedStatement, moment: Moment): Iterable<Problem>
  /** The same with the catalog as it stands right behind the statement. */
  checkAfter?(statement: ParsedStatement, moment: Moment): Iterable<Problem>
  /** Looks at a file as a whole, with the catalog as it stands behind it. */
  checkFile?(file: LintedFile, moment: Moment): Iterable<Problem>
  /** Looks at the whole history, with the catalog that it ends in. Each problem says its `position`. */
  checkHistory?(moment: Omit<Moment, 'file'>): Iterable<Problem>
}

/** What is known when a statement is about to run. */
export interface Moment {
  /** Changes from statement to statement: copy what must be kept. */
  readonly catalog: Catalog
  readonly file: LintedFile
  /** Names of all files, in the order in which they run. */
  readonly history: HistoryIndex
  /** Major version of PostgreSQL. */
  readonly serverVersion: number
  readonly policy: VerifyPolicy
  /** True for a table (`schema.table`) that has no rows and no readers yet: it came in this file, or in one that is not applied anywhere. */
  isNew(table: string): boolean
}

export interface LintedFile extends ParsedFile {
  /** The text with its other way, where the file on disk says both. */
  readonly whole: string
  readonly name: MigrationName | null
  /** Place among the files, in the order in which they run. */
  readonly order: number
  /** Not applied anywhere yet: it may still be changed. */
  readonly pending: boolean
  /** Its text is not that of the file on disk: placeholders have their values. */
  readonly isFilled: boolean
  /** A program whose SQL is known in part only: the names in it may mean anything. */
  readonly beyond: string | null
  /** Runs as one transaction. */
  readonly transactional: boolean
}

/** True for the way down of a file that says both; what is wrong with the file's name is told of its way up. */
export function isDownOfBoth({ name, text, whole }: LintedFile): boolean {
  return name?.kind === 'undo' && text !== whole
}

/** What a rule yields. */
export interface Problem {
  /** Where: an offset in the file. Default: the statement's begin. */
  readonly at?: number
  /** Where, when that is known by line: for a rule that looks at more than one file. */
  readonly position?: SourcePosition | undefined
  readonly object: string | null
  readonly message: string
  /** The other end: where it was created, dropped, renamed. */
  readonly related?: readonly (SourcePosition & { readonly message: string })[]
  /** A change of the file that mends it and cannot do harm. */
  readonly edit?: Edit
  /** SQL that mends it, for a person to judge. */
  readonly fix?: string
}

/** Replaces `text.slice(start, end)`. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}
