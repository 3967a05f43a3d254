import { foldErrors, foldStatement, startFold } from '../catalog/files.ts'
import type { FoldOptions } from '../catalog/files/fold.ts'
import { lineColumns } from '../parse/offsets.ts'
import type { ParsedStatement } from '../parse/parse-sql.ts'
import type { Finding, Severity } from '../verify/finding.ts'
import { makeContext } from '../verify/context.ts'
import { defaultPolicy, type VerifyPolicy } from '../verify/policy.ts'
import type { Rule } from '../verify/rule.ts'
import { runRules } from '../verify/run-rules.ts'
import { indexHistory } from './history/history-index.ts'
import { qualifyNames } from './history/qualify-names.ts'
import { mayHaveTouched } from './history/unknown-effects.ts'
import { newRelations } from './history/new-relations.ts'
import { readFiles, type LintSource } from './read-files.ts'
import type { Edit, LintedFile, LintRule, Moment, Problem } from './rule.ts'
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
  /** Where names without a schema are looked for in each file. Default: `public`. */
  readonly searchPath?: readonly string[]
  readonly placeholders?: Readonly<Record<string, string>>
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
  /** Changes that `--fix` would make, by file. */
  readonly edits: ReadonlyMap<string, readonly Edit[]>
}

/**
 * Runs a whole history in a simulated catalog and every rule on each of its statements. Nothing is thrown for bad SQL: a
 * statement that does not parse is a finding, the rest is judged all the same.
 */
export async function lintFiles(sources: readonly LintSource[], options: LintOptions): Promise<LintReport> {
  const started = performance.now()
  const files = await readFiles(sources, options)
  const lint = new Lint(files, options)
  for (const file of files) lint.judgeFile(file)
  lint.judgeEnd()
  const found = lint.findings.map((finding) => withSeverity(finding, options.severities))
  const ids = [...options.rules, ...(options.catalogRules ?? [])].map(({ id }) => id)
  const { findings, suppressed } = applySuppressions(files, found, ids)
  return {
    files: files.length,
    statements: files.reduce((sum, file) => sum + file.statements.length, 0),
    findings: findings.toSorted(inOrderOf(files)),
    suppressed,
    ms: Math.round(performance.now() - started),
    texts: new Map(files.map(({ file, text }) => [file, text])),
    edits: lint.edits,
  }
}

class Lint {
  readonly findings: Finding[] = []
  readonly edits = new Map<string, Edit[]>()
  readonly #files: readonly LintedFile[]
  readonly #options: LintOptions
  readonly #fold: ReturnType<typeof startFold>
  readonly #byTag = new Map<string, readonly LintRule[]>()
  /** Tables and views that nobody uses yet. */
  readonly #newTables = new Set<string>()
  /** `schema.name` -> whether the files tell all about it. */
  readonly #certain = new Map<string, boolean>()
  readonly #moment: Omit<Moment, 'file'>

  constructor(files: readonly LintedFile[], options: LintOptions) {
    const { serverVersion = 18, policy = defaultPolicy, complete = true, effects, searchPath } = options
    this.#files = files
    this.#options = options
    this.#fold = startFold({ serverVersion, ...(effects ? { effects } : {}), ...(searchPath ? { searchPath } : {}) })
    this.#moment = {
      catalog: this.#fold.catalog,
      history: indexHistory(files, complete),
      serverVersion,
      policy,
      isNew: (table) => this.#isNew(table),
    }
  }

  judgeFile(file: LintedFile): void {
    const moment = { ...this.#moment, file }
    if (!this.#options.since && !this.#options.isApplied) this.#newTables.clear()
    foldErrors(this.#fold, file)
    for (const error of file.errors) this.findings.push(syntaxFinding(file, error))
    if (file.name?.kind === 'undo') return this.#judgeWhole(file, moment)
    for (const statement of file.statements) {
      qualifyNames(statement, this.#fold)
      if (file.pending) this.#judgeStatement('check', statement, moment)
      const made = file.pending ? newRelations(statement, this.#fold.catalog, moment.isNew) : []
      foldStatement(this.#fold, statement, file)
      for (const name of made) this.#newTables.add(name)
      if (file.pending) this.#judgeStatement('checkAfter', statement, moment)
    }
    this.#judgeWhole(file, moment)
  }

  /** What the history ends in, also by the rules of verify; what is wrong with applied files is left to verify itself. */
  judgeEnd(): void {
    for (const rule of this.#options.rules) {
      for (const problem of rule.checkHistory?.(this.#moment) ?? []) {
        const file = this.#files.find((own) => own.file === problem.position?.file)
        if (file?.pending) this.#add(rule, file, 0, problem)
      }
    }
    const { catalogRules = [], policy = defaultPolicy } = this.#options
    const context = makeContext(this.#fold.catalog, policy)
    const rules = catalogRules.filter(({ family }) => family === 'structure' || this.#hasConvention(policy))
    const judged = new Set(this.#files.filter((file) => file.pending).map(({ file }) => file))
    const { findings } = runRules(rules, context)
    this.findings.push(
      ...findings.filter(({ file, object }) => (file === null || judged.has(file)) && this.#isCertain(object)),
    )
  }

  /** False for what a statement may have changed whose effect cannot be told: verify judges it, on a database. */
  #isCertain(object: string | null): boolean {
    const owner = object?.replace(/\(.*/, '').split('.').slice(0, 2).join('.') ?? ''
    const known = this.#certain.get(owner)
    if (known !== undefined) return known
    const [schema = '', name = ''] = owner.split('.')
    const isCertain = !this.#fold.catalog.unknown.some((effect) => mayHaveTouched(effect, schema, name))
    this.#certain.set(owner, isCertain)
    return isCertain
  }

  /** A schema that never heard of tenants is not told about them: its config names a policy, or a table has the column. */
  #hasConvention({ tenantColumn }: VerifyPolicy): boolean {
    const tables = [...this.#fold.catalog.tables.values()]
    return this.#options.policy !== undefined || tables.some(({ columns }) => columns.has(tenantColumn))
  }

  /** Files that never create a schema run with it in the search path: `sales.orders` is then what they create as `orders`. */
  #isNew(table: string): boolean {
    if (this.#newTables.has(table)) return true
    const [schema = '', name = ''] = table.split('.')
    const { catalog, history } = this.#moment
    const isOurs = catalog.schemas.has(schema) || history.creations('schema', schema).length > 0
    return !isOurs && this.#newTables.has(`public.${name}`)
  }

  #judgeStatement(hook: 'check' | 'checkAfter', statement: ParsedStatement, moment: Moment): void {
    for (const rule of this.#rulesFor(hook, statement.kind)) {
      for (const problem of rule[hook]?.(statement, moment) ?? [])
        this.#add(rule, moment.file, statement.start, problem)
    }
  }

  /** The rules that look at a kind of statement, worked out once a kind. */
  #rulesFor(hook: 'check' | 'checkAfter', tag: string): readonly LintRule[] {
    const key = `${hook} ${tag}`
    const known = this.#byTag.get(key)
    if (known) return known
    const rules = this.#options.rules.filter((rule) => rule[hook] && (!rule.on || rule.on.includes(tag)))
    this.#byTag.set(key, rules)
    return rules
  }

  #judgeWhole(file: LintedFile, moment: Moment): void {
    if (!file.pending) return
    for (const rule of this.#options.rules) {
      for (const problem of rule.checkFile?.(file, moment) ?? []) this.#add(rule, file, 0, problem)
    }
  }

  #add(rule: LintRule, file: LintedFile, start: number, problem: Problem): void {
    const { line, column } = problem.position ?? lineColumns(file.text)(problem.at ?? start)
    this.findings.push({
      rule: rule.id,
      family: rule.family,
      severity: rule.severity,
      file: file.file,
      line,
      column,
      object: problem.object,
      message: problem.message,
      related: (problem.related ?? []).map(({ file: other, line, message }) => ({ file: other, line, message })),
      help: rule.instead,
      fix: problem.fix ?? problem.edit?.text ?? null,
    })
    if (problem.edit) this.edits.set(file.file, [...(this.edits.get(file.file) ?? []), problem.edit])
  }
}

function withSeverity(finding: Finding, severities: LintOptions['severities']): Finding {
  const severity = severities?.[finding.rule]
  return severity === undefined || severity === 'off' ? finding : { ...finding, severity }
}

function syntaxFinding(file: LintedFile, error: LintedFile['errors'][number]): Finding {
  return {
    rule: 'syntax-error',
    family: 'history',
    severity: 'error',
    file: file.file,
    line: error.line,
    column: error.column,
    object: null,
    message: error.reason,
    related: [],
    help: 'Correct the statement; the rest of the file was read without it.',
    fix: null,
  }
}

/** By file in running order, then by place. */
function inOrderOf(files: readonly LintedFile[]): (a: Finding, b: Finding) => number {
  const order = new Map(files.map(({ file, order: place }) => [file, place]))
  const rank = ({ file }: Finding) => (file === null ? files.length : (order.get(file) ?? files.length))
  return (a, b) => rank(a) - rank(b) || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)
}
