import { foldParsed } from '../../catalog/files.ts'
import { parseSql, type ParsedFile, type ParsedStatement } from '../../parse/parse-sql.ts'
import { walkTree } from '../../parse/walk.ts'
import type { MigrationFile, MigrationNote } from '../migration-file.ts'
import { answerQuestion, schemaQuestion } from './answer-from-catalog.ts'
import { sentStatements } from './bindings.ts'
import { lineInStack, openKnexProject, type Answer, type Query } from './create-knex.ts'
import { isRead } from './is-read.ts'
import { callMigration, loadMigration, type KnexMigration } from './knex-migration.ts'
import { Transcript } from './transcript.ts'

/**
 * Plans the Knex files (those with a path) of a history: each gets the SQL that its `up` sends as text, and that of `down` as undo text.
 * Questions about the schema are answered from the files before it; rows are not known, and what depends on them is noted.
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
  const before: Before = { files: [], parsed: [] }
  for (const file of files) {
    const path = paths.get(file)
    const migration = path === undefined ? null : await loadMigration(path, file.file, file.text, project)
    const now = migration === null ? file : await planFile(file, migration, before)
    planned.push(now)
    if (isVersioned(now)) before.files.push(now)
  }
  return planned
}

function isVersioned({ kind }: MigrationFile): boolean {
  return kind === 'versioned'
}

/** The files before the one that is planned; they are parsed when a question is asked. */
interface Before {
  readonly files: MigrationFile[]
  readonly parsed: ParsedFile[]
}

async function planFile(file: MigrationFile, knex: KnexMigration, before: Before): Promise<MigrationFile> {
  const up = await planStep(file.file, knex, 'up', before, [])
  const planned = { ...file, text: up.text, knex, notes: up.notes }
  if (!knex.down) return planned
  const after = await parseSql(up.text, file.file)
  const down = await planStep(file.file, knex, 'down', before, [after])
  return { ...planned, undoText: down.text, notes: [...up.notes, ...down.notes] }
}

interface PlannedStep {
  readonly text: string
  readonly notes: readonly MigrationNote[]
}

/** A migration that asks on and on for what a plan cannot give would never end. */
const MOST_QUERIES = 100_000

async function planStep(
  file: string,
  knex: KnexMigration,
  step: 'up' | 'down',
  before: Before,
  after: readonly ParsedFile[],
): Promise<PlannedStep> {
  const transcript = new Transcript(file)
  const notes: MigrationNote[] = []
  const header = headerOf(knex)
  let queries = 0

  const catalog = async () => {
    for (const one of before.files.slice(before.parsed.length)) before.parsed.push(await parseSql(one.text, one.file))
    return foldParsed([...before.parsed, ...after, await parseSql(transcript.toText(), file)])
  }
  const answer = async (query: Query): Promise<Answer | Answer[]> => {
    if (++queries > MOST_QUERIES) throw new Error(`it asks more than ${MOST_QUERIES} times`)
    if (query.control) {
      transcript.control(query.sql)
      return nothing('')
    }
    const question = schemaQuestion(query)
    if (question) {
      const has = answerQuestion(await catalog(), question)
      const name = [question.table, question.column].filter((part) => part !== null).join('.')
      if (has === null) notes.push({ step, line: query.line, kind: 'unknown', message: `whether '${name}' exists` })
      return has === true ? { ...nothing('SELECT'), rowCount: 1, rows: [{}] } : nothing('SELECT')
    }
    const answers = (await sentStatements(query.sql, query.bindings, file)).map(({ text, parsed }) => {
      if (parsed && returnsRows(parsed))
        notes.push({ step, line: query.line, kind: 'unknown', message: `rows of: ${text}` })
      if (!parsed || !isRead(parsed)) transcript.add(text, query.line)
      return nothing(/^\w*/.exec(text)?.[0].toUpperCase() ?? '')
    })
    return answers.length === 1 ? (answers[0] ?? nothing('')) : answers
  }

  try {
    await callMigration(knex, step, answer)
  } catch (error) {
    const { message, stack = '' } = error instanceof Error ? error : new Error(String(error))
    notes.push({ step, line: lineInStack(stack, knex.path), kind: 'stopped', message })
  }
  return { text: transcript.toText(header), notes }
}

function headerOf({ transaction, project }: KnexMigration): string[] {
  const { searchPath } = project.knexfile
  return [
    ...(transaction ? [] : ['-- imhotep:no-transaction']),
    ...(searchPath.length === 0 ? [] : [`${setSearchPath(searchPath)};`]),
  ]
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
