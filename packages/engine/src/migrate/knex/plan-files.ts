import { DEFAULT_SCHEMA } from '../../catalog/files/fold.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { walkTree } from '../../parse/walk.ts'
import type { MigrationFile, MigrationNote } from '../migration-file.ts'
import { answerQuestion, schemaQuestion } from './answer-from-catalog.ts'
import { sentStatements } from './bindings.ts'
import { lineInStack, openKnexProject, type Answer, type Query } from './create-knex.ts'
import { isRead } from './is-read.ts'
import { PlanCatalog } from './plan-catalog.ts'
import { callMigration, loadMigration, type KnexMigration } from './knex-migration.ts'
import { Transcript } from './transcript.ts'

/**
 * Plans the Knex files (those with a path) of a history: each gets the SQL that its `up` sends as text, and that of `down` as undo text.
 * Questions about the schema are answered from the files before it; rows are not known, and what depends on them is noted.
 * Code that cannot go on without rows is planned once more with one row of nulls for each query.
 * @throws KnexMissingError, KnexLoadError
 */
export async function planKnexFiles(
  files: readonly MigrationFile[],
  paths: ReadonlyMap<MigrationFile, string>,
  directory: string,
): Promise<MigrationFile[]> {
  if (paths.size === 0) return [...files]
  const project = await openKnexProject(directory)
  const planned: MigrationFile[] = []
  const catalog = new PlanCatalog()
  for (const file of files) {
    const path = paths.get(file)
    const migration = path === undefined ? null : await loadMigration(path, file.file, file.text, project)
    if (migration === null && file.kind === 'versioned') catalog.add(file.file, file.text)
    planned.push(migration === null ? file : await planFile(file, migration, catalog))
  }
  return planned
}

async function planFile(file: MigrationFile, knex: KnexMigration, catalog: PlanCatalog): Promise<MigrationFile> {
  const up = await planStep(file.file, knex, 'up', catalog)
  const planned = { ...file, text: up.text, knex, notes: up.notes }
  if (!knex.down) return planned
  const after = catalog.length
  const down = await planStep(file.file, knex, 'down', catalog)
  catalog.cut(after)
  return { ...planned, undoText: down.text, notes: [...up.notes, ...down.notes] }
}

interface PlannedStep {
  readonly text: string
  readonly notes: readonly MigrationNote[]
}

/** The first plan that comes to its end: without rows, or with a row of nulls for each query. Else the one without, as far as it came. */
async function planStep(
  file: string,
  knex: KnexMigration,
  step: 'up' | 'down',
  catalog: PlanCatalog,
): Promise<PlannedStep> {
  const start = catalog.length
  const plan = await planWith([], file, knex, step, catalog)
  if (!hasStopped(plan)) return plan
  const pieces = catalog.cut(start)
  const other = await planWith([rowOfNulls], file, knex, step, catalog)
  if (!hasStopped(other)) return other
  catalog.cut(start)
  for (const piece of pieces) catalog.add(piece.file, piece.text)
  return plan
}

function hasStopped({ notes }: PlannedStep): boolean {
  return notes.some(({ kind }) => kind === 'stopped')
}

/** Null in every column that is asked for. */
const rowOfNulls: Record<string, unknown> = new Proxy(
  {},
  { get: (_, key) => (typeof key === 'string' ? null : undefined) },
)

/** A migration that asks on and on for what a plan cannot give would never end. */
const MOST_QUERIES = 100_000

async function planWith(
  rows: Answer['rows'],
  file: string,
  knex: KnexMigration,
  step: 'up' | 'down',
  catalog: PlanCatalog,
): Promise<PlannedStep> {
  const transcript = new Transcript(file, knex.source)
  const notes: MigrationNote[] = []
  const start = catalog.length
  const [currentSchema = DEFAULT_SCHEMA] = knex.project.knexfile.searchPath
  const path = pathOf(knex)
  let queries = 0

  const answer = async (query: Query): Promise<Answer | Answer[]> => {
    if (++queries > MOST_QUERIES) throw new Error(`it asks more than ${MOST_QUERIES} times`)
    if (query.control) {
      transcript.control(query.sql)
      catalog.cut(start + transcript.length)
      return nothing('')
    }
    const question = schemaQuestion(query)
    if (question) {
      const has = answerQuestion(await catalog.now(), question, currentSchema)
      const name = [question.table, question.column].filter((part) => part !== null).join('.')
      if (has === null) notes.push({ step, line: query.line, kind: 'unknown', message: `whether '${name}' exists` })
      return has === true ? { ...nothing('SELECT'), rowCount: 1, rows: [{}] } : nothing('SELECT')
    }
    const answers = (await sentStatements(query.sql, query.bindings, file)).map(({ text, parsed }) => {
      const returns = parsed !== null && returnsRows(parsed)
      if (returns) notes.push({ step, line: query.line, kind: 'unknown', message: `rows of: ${text}` })
      if (!parsed || !isRead(parsed)) {
        transcript.add(text, query.line)
        catalog.add(file, [...path, text].join('\n'))
      }
      const found = returns ? rows : []
      return { ...nothing(/^\w*/.exec(text)?.[0].toUpperCase() ?? ''), rowCount: found.length, rows: found }
    })
    return answers.length === 1 ? (answers[0] ?? nothing('')) : answers
  }

  try {
    await callMigration(knex, step, answer)
  } catch (error) {
    const { message, stack = '' } = error instanceof Error ? error : new Error(String(error))
    notes.push({ step, line: lineInStack(stack, knex.path), kind: 'stopped', message })
  }
  return { text: transcript.toText(headerOf(knex)), notes }
}

function headerOf(knex: KnexMigration): string[] {
  return [...(knex.transaction ? [] : ['-- imhotep:no-transaction']), ...pathOf(knex)]
}

/** What a connection of the project has set when a migration gets it. */
function pathOf({ project }: KnexMigration): string[] {
  const { searchPath } = project.knexfile
  return searchPath.length === 0 ? [] : [`${setSearchPath(searchPath)};`]
}

/** The statement that a connection of the project starts with. */
export function setSearchPath(schemas: readonly string[]): string {
  return `set search_path to ${schemas.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ')}`
}

function nothing(command: string): Answer {
  return { command, rowCount: 0, rows: [], fields: [] }
}

/** True when code may want to know what comes back. */
function returnsRows(statement: ParsedStatement): boolean {
  let returns = isRead(statement)
  walkTree(statement.node, (_, content) => {
    if ('returningClause' in content || 'returningList' in content) returns = true
  })
  return returns
}
