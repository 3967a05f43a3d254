import type { FoldOptions } from '../catalog/files/fold.ts'
import type { Finding, Severity } from '../verify/finding.ts'
import type { VerifyPolicy } from '../verify/policy.ts'
import type { Rule } from '../verify/rule.ts'
import { Judge } from './judge.ts'
import { readFiles, type LintSource } from './read-files.ts'
import type { Edit, LintedFile, LintRule } from './rule.ts'
import { applySuppressions } from './suppressions.ts'

export interface LintOptions {
  readonly rules: readonly LintRule[]
  /** Rules of verify, run on the catalog that the files end in. Default: none. */
  readonly catalogRules?: readonly Rule[]
  /** False when the files are an excerpt of a history: what they refer to may exist without them. Default: true. */
  readonly complete?: boolean
  /** Versions up to this one are applied: their files are read, not judged. */
  readonly since?: string
  /** Files that are applied; in place of `since`. */
  readonly isApplied?: (file: string) => boolean
  /** Files that are read, not judged, applied or not. */
  readonly isIgnored?: (file: string) => boolean
  /** Another severity for a rule. */
  readonly severities?: Readonly<Record<string, Severity | 'off'>>
  /** Major version of PostgreSQL. Default 18. */
  readonly serverVersion?: number
  readonly policy?: VerifyPolicy
  readonly effects?: FoldOptions['effects']
  /**
   * Where names without a schema are looked for in each file. Default: the one schema that a whole history names and never
   * creates, then `public`.
   */
  readonly searchPath?: readonly string[]
  /** Values of `${name}` in the files. */
  readonly placeholders?: Readonly<Record<string, string>> | undefined
}

export interface LintReport {
  readonly files: number
  readonly statements: number
  readonly findings: Finding[]
  /** Findings that a comment silenced. */
  readonly suppressed: number
  readonly ms: number
  /** The texts that were read, for code frames and fixes. */
  readonly texts: ReadonlyMap<string, string>
  /** Changes that `--fix` would make, by file; none in a file that was filled, whose text is another. */
  readonly edits: ReadonlyMap<string, readonly Edit[]>
}

/**
 * Runs a whole history in a simulated catalog and every rule on each of its statements. Nothing is thrown for bad SQL: a
 * statement that does not parse is a finding, the rest is judged all the same.
 */
export async function lintFiles(sources: readonly LintSource[], options: LintOptions): Promise<LintReport> {
  const started = performance.now()
  const files = await readFiles(sources, options)
  const judge = new Judge(files, options)
  for (const file of files) judge.judgeFile(file)
  judge.judgeEnd()
  const filled = new Set(files.filter((file) => file.isFilled).map(({ file }) => file))
  const found = judge.findings.map((finding) => withSeverity(finding, options.severities))
  const ids = [...options.rules, ...(options.catalogRules ?? [])].map(({ id }) => id)
  const { findings, suppressed } = applySuppressions(files, found, ids)
  return {
    files: new Set(files.map(({ file }) => file)).size,
    statements: files.reduce((sum, file) => sum + file.statements.length, 0),
    findings: findings.toSorted(inOrderOf(files)),
    suppressed,
    ms: Math.round(performance.now() - started),
    texts: new Map(files.map(({ file, whole }) => [file, whole])),
    edits: new Map([...judge.edits].filter(([file]) => !filled.has(file))),
  }
}

function withSeverity(finding: Finding, severities: LintOptions['severities']): Finding {
  const severity = severities?.[finding.rule]
  return severity === undefined || severity === 'off' ? finding : { ...finding, severity }
}

/** By file in running order, then by place. */
function inOrderOf(files: readonly LintedFile[]): (a: Finding, b: Finding) => number {
  const order = new Map(files.map(({ file, order: place }) => [file, place]))
  const rank = ({ file }: Finding) => (file === null ? files.length : (order.get(file) ?? files.length))
  return (a, b) => rank(a) - rank(b) || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)
}
