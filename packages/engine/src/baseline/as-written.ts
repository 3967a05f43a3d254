import { quoteIdentifier } from '../bundle/quote.ts'
import { repeatable } from '../bundle/repeatable.ts'
import type { ParsedStatement } from '../parse/parse-sql.ts'
import { DEFAULT_SCHEMA } from '../catalog/files/fold.ts'
import type { PrintedObject } from '../print/printed-object.ts'
import type { KeptStatement, Written } from './fold-dump.ts'

/** A statement of the export, with its semicolon, so that it can be run again. */
export function writtenAgain({ statement, searchPath }: Written): string {
  return onSearchPath(searchPath, `${again(statement)};`)
}

/** Exports of pg_dump before 9.6.8 name what is in the schema of the moment without it. */
function onSearchPath(searchPath: readonly string[], sql: string): string {
  if (searchPath.every((schema) => schema === DEFAULT_SCHEMA)) return sql
  const schemas = [...searchPath, 'pg_catalog'].map(quoteIdentifier).join(', ')
  return `set search_path = ${schemas};\n${sql}\nreset search_path;`
}

function again(statement: ParsedStatement): string {
  if (SETS_A_STATE.has(statement.kind) || setsAccessMethod(statement)) return statement.text
  const own = repeatable(statement)
  return 'text' in own && !('CreateRangeStmt' in statement.node) ? own.text : unlessThere(statement.text)
}

const SETS_A_STATE = new Set(['AlterStatsStmt', 'AlterObjectDependsStmt'])

function setsAccessMethod({ node }: ParsedStatement): boolean {
  const [command] = 'AlterTableStmt' in node ? (node.AlterTableStmt.cmds ?? []) : []
  return command !== undefined && 'AlterTableCmd' in command && command.AlterTableCmd.subtype === 'AT_SetAccessMethod'
}

/** For what has neither IF NOT EXISTS nor a catalog that we know to look into. */
function unlessThere(text: string): string {
  const tag = text.includes('$once$') ? '$baseline_once$' : '$once$'
  return `do ${tag}
begin
  ${text};
exception
  when duplicate_object or duplicate_table or duplicate_function or unique_violation then null; -- it is there
end
${tag}`
}

/** Objects that are kept as they are written, in the places where they would be printed. */
export function putAsWritten(objects: readonly PrintedObject[], kept: readonly KeptStatement[]): PrintedObject[] {
  const byObject = new Map(kept.flatMap((own) => (own.instead === null ? [] : [[own.instead, own]])))
  const placed = objects.map((object) => {
    const own = object.section === 'comments' || object.section === 'grants' ? undefined : byObject.get(object.object)
    if (own === undefined) return object
    byObject.delete(object.object)
    const texts = [...own.needs, { ...own, statement: wholeIndex(own.statement) }].map(writtenAgain)
    return { ...object, sql: `${writtenAt(own)}\n${texts.join('\n')}` }
  })
  const [lost] = byObject.values()
  if (lost) throw new Error(`nothing is printed that line ${lost.line} of the export could stand for: ${lost.instead}`)
  return placed
}

export function writtenAt({ line }: KeptStatement): string {
  return `-- as written at line ${line} of the export`
}

/** An export makes the index of a partitioned table ONLY there, and attaches the parts; printed, it takes them over. */
function wholeIndex(statement: ParsedStatement): ParsedStatement {
  if (!('IndexStmt' in statement.node) || statement.node.IndexStmt.relation?.inh) return statement
  return { ...statement, text: statement.text.replace(/ ON ONLY /i, ' ON ') }
}
