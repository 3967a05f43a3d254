import { foldErrors, foldStatement, startFile, startFold } from '../catalog/files.ts'
import type { Catalog, SourcePosition, Table } from '../catalog/model.ts'
import { lineColumns, type LineColumn } from '../parse/offsets.ts'
import type { ParsedStatement } from '../parse/parse-sql.ts'
import type { Finding } from '../verify/finding.ts'
import { makeContext } from '../verify/context.ts'
import { defaultPolicy } from '../verify/policy.ts'
import { runRules } from '../verify/run-rules.ts'
import { changingStatement, type RunStatement } from './changing-statement.ts'
import { setLaterStatements } from './destruction/later-statements.ts'
import { droppedObjects } from './destruction/dropped-objects.ts'
import { FoundBefore } from './found-before.ts'
import { guessSchema } from './history/guess-schema.ts'
import { indexHistory } from './history/history-index.ts'
import { qualifyNames } from './history/qualify-names.ts'
import { mayHaveTouched } from './history/unknown-effects.ts'
import { newRelations } from './history/new-relations.ts'
import type { Edit, LintedFile, LintRule, Moment, Problem } from './rule.ts'
import type { LintOptions } from './lint-files.ts'
import { indexOwner } from './locks/index-owner.ts'

/** Runs the files of a history in a simulated catalog, one after the other, and the rules on them. */
export class Judge {
  readonly findings: Finding[] = []
  readonly edits = new Map<string, Edit[]>()
  readonly #files: readonly LintedFile[]
  readonly #options: LintOptions
  readonly #fold: ReturnType<typeof startFold>
  readonly #byTag = new Map<string, readonly LintRule[]>()
  readonly #places = new Map<LintedFile, (offset: number) => LineColumn>()
  /** Tables, views and sequences that nobody uses yet. */
  readonly #newTables = new Set<string>()
  /** `schema.name` -> whether the files tell all about it. */
  readonly #certain = new Map<string, boolean>()
  readonly #moment: Omit<Moment, 'file'>
  /** Of the statement that is folded. */
  #now: Moment | null = null
  /** What pending files ran so far, with what their code ran. */
  readonly #ran: RunStatement[] = []
  /** What code took away in the file under way, and the file may give back further down. */
  #takenAway: TakenAway[] = []
  /** Findings in code: a loop does the same in each of its turns. */
  readonly #told = new Set<string>()
  /** What was wrong before the first pending file. */
  #before: FoundBefore | null = null

  constructor(files: readonly LintedFile[], options: LintOptions) {
    const { serverVersion = 18, policy = defaultPolicy, complete = true, effects } = options
    const guessed = complete ? guessSchema(files) : null
    const searchPath = options.searchPath ?? (guessed === null ? undefined : [guessed, 'public'])
    this.#files = files
    this.#options = options
    this.#fold = startFold({
      serverVersion,
      ...(effects ? { effects } : {}),
      ...(searchPath ? { searchPath } : {}),
      watch: (statement, position) => this.#judgeCode(statement, position),
    })
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
    if (file.pending) this.#lookBefore(file)
    startFile(this.#fold, file)
    for (const statement of file.statements) {
      qualifyNames(statement, this.#fold)
      if (file.pending) this.#judgeStatement('check', statement, moment)
      const made = file.pending ? newRelations(statement, this.#fold.catalog, moment.isNew) : []
      this.#now = file.pending ? moment : null
      if (file.pending) this.#ran.push({ file, statement, tables: this.#tablesOfIndexes(statement, moment) })
      foldStatement(this.#fold, statement, file)
      for (const name of made) this.#newTables.add(name)
      if (file.pending) this.#judgeStatement('checkAfter', statement, moment)
    }
    if (file.beyond !== null) {
      const position = { file: file.file, line: 1, column: 1 }
      this.#fold.catalog.unknown.push({ position, reason: 'the rest of a program', text: file.beyond })
    }
    this.#judgeTakenAway()
    this.#judgeWhole(file, moment)
  }

  /** What the history ends in, also by the rules of verify; what was wrong with applied files is left to verify itself. */
  judgeEnd(): void {
    for (const rule of this.#options.rules) {
      for (const problem of rule.checkHistory?.(this.#moment) ?? []) {
        const file = this.#files.find((own) => own.file === problem.position?.file)
        if (file?.pending) this.#add(rule, file, 0, problem)
      }
    }
    const judged = new Set(this.#files.filter((file) => file.pending).map(({ file }) => file))
    for (const finding of this.#catalogFindings()) {
      if (!this.#isCertain(finding.object)) continue
      if (finding.file === null || judged.has(finding.file)) this.findings.push(finding)
      else if (this.#before?.isNew(finding, this.#fold.catalog)) this.#addToChange(finding)
    }
  }

  #catalogFindings(): Finding[] {
    const { catalogRules = [], policy = defaultPolicy } = this.#options
    return runRules(catalogRules, makeContext(this.#fold.catalog, policy)).findings
  }

  /** Where files are applied, their objects are judged once more in front of the first one that is not. */
  #lookBefore({ order }: LintedFile): void {
    if (this.#before !== null || this.#ran.length > 0) return
    const applied = this.#files.filter((file) => file.order < order && !file.pending)
    if (applied.length === 0) return
    this.#before = new FoundBefore(
      applied.map(({ file }) => file),
      this.#catalogFindings(),
    )
  }

  /** A finding on an object of an applied file belongs to what changed the object; where nothing names it, to verify. */
  #addToChange(finding: Finding): void {
    const change = changingStatement(finding, this.#ran)
    if (!change) return
    const { file, statement } = change
    const { line, column } = statement
    const origin = { file: finding.file ?? '', line: finding.line ?? 1, message: 'made here' }
    this.findings.push({ ...finding, file: file.file, line, column, related: [origin, ...finding.related] })
  }

  /** DROP INDEX does not say of which table. */
  #tablesOfIndexes(statement: ParsedStatement, moment: Moment): string[] {
    if (this.#before === null) return []
    return droppedObjects(statement, moment).flatMap(({ kind, name }) =>
      kind === 'index' ? (indexOwner(name, moment.catalog)?.table ?? []) : [],
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

  /** A statement that a DO block or a function runs: nothing of the file stands around it, and its text cannot be changed. */
  #judgeCode(inner: ParsedStatement, position: SourcePosition): void {
    const moment = this.#now
    if (!moment) return
    const statement = { ...inner, line: position.line, column: position.column }
    qualifyNames(statement, this.#fold)
    for (const rule of this.#rulesFor('check', statement.kind)) {
      if (RESTORED.has(rule.id)) this.#holdBack(rule, statement, moment)
      else if (rule.family === 'locks' || IN_CODE.has(rule.id)) this.#judgeInCode(rule, statement, moment)
    }
    this.#ran.push({ file: moment.file, statement, tables: this.#tablesOfIndexes(statement, moment) })
    for (const name of newRelations(statement, this.#fold.catalog, (name) => this.#isNew(name)))
      this.#newTables.add(name)
  }

  #judgeInCode(rule: LintRule, statement: ParsedStatement, moment: Moment): void {
    const { file } = moment
    const { line, column } = statement
    for (const { edit: _, at: __, ...problem } of rule.check?.(statement, moment) ?? []) {
      const key = JSON.stringify([rule.id, file.file, line, column, problem.object, problem.message])
      if (this.#told.has(key)) continue
      this.#told.add(key)
      this.#add(rule, file, 0, { ...problem, position: { file: file.file, line, column } })
    }
  }

  /** Keeps what a rule has against a statement until the file's end tells whether something gives back what it takes. */
  #holdBack(rule: LintRule, statement: ParsedStatement, moment: Moment): void {
    setLaterStatements(statement, [])
    const tables = [...(rule.check?.(statement, moment) ?? [])].flatMap(({ object }) => object ?? [])
    if (tables.length === 0) return
    const before = { ...moment, catalog: withTables(moment.catalog, tables) }
    this.#takenAway.push({ rule, statement, moment: before, place: this.#ran.length })
  }

  #judgeTakenAway(): void {
    for (const { rule, statement, moment, place } of this.#takenAway) {
      const later = this.#ran.slice(place + 1)
      setLaterStatements(
        statement,
        later.map((own) => own.statement),
      )
      this.#judgeInCode(rule, statement, moment)
    }
    this.#takenAway = []
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
    const { line, column } = problem.position ?? this.#placeIn(file)(problem.at ?? start)
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

  #placeIn(file: LintedFile): (offset: number) => LineColumn {
    const known = this.#places.get(file)
    if (known) return known
    const place = lineColumns(file.text)
    this.#places.set(file, place)
    return place
  }
}

/** Rules beside those about locks that need not know what the file does next. */
const IN_CODE = new Set([
  'bypass-rls-role',
  'column-dropped',
  'column-renamed',
  'drop-cascade',
  'required-column-added',
  'rows-deleted',
  'rows-truncated',
  'schema-dropped',
  'table-dropped',
  'triggers-disabled',
  'type-narrowed',
])

/** Rules about a table that are silent where something further down in the file gives back what a statement takes. */
const RESTORED = new Set(['policy-dropped', 'row-security-off', 'trail-removed', 'trigger-removed'])

/** What such a rule has against a statement of code. */
interface TakenAway {
  readonly rule: LintRule
  readonly statement: ParsedStatement
  /** As it was before the statement. */
  readonly moment: Moment
  /** Of the statement in what ran. */
  readonly place: number
}

/** A catalog whose tables of these names stay as they are now. */
function withTables(catalog: Catalog, names: readonly string[]): Catalog {
  const tables = names.flatMap((name): [string, Table][] => {
    const table = catalog.tables.get(name)
    return table ? [[name, { ...table, policies: new Map(table.policies), triggers: new Map(table.triggers) }]] : []
  })
  return { ...catalog, tables: new Map(tables) }
}

function syntaxFinding(file: LintedFile, error: LintedFile['errors'][number]): Finding {
  const [psqlCommand] = /^\\\w+/.exec(file.text.slice(error.offset)) ?? []
  return {
    rule: 'syntax-error',
    family: 'history',
    severity: 'error',
    file: file.file,
    line: error.line,
    column: error.column,
    object: null,
    message: psqlCommand ? `${psqlCommand} is a command of psql, no SQL: no server runs it` : error.reason,
    related: [],
    help:
      error.advice === null
        ? 'Correct the statement; the rest of the file was read without it.'
        : `${error.advice.charAt(0).toUpperCase()}${error.advice.slice(1)}.`,
    fix: null,
  }
}
