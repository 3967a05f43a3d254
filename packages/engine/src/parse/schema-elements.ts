import type { ParsedStatement } from './parse-sql.ts'
import type { Node } from './parser.ts'
import { lineColumns } from './offsets.ts'
import { sqlTokens } from './split-sql.ts'

/**
 * The statements inside a CREATE SCHEMA as statements of their own, their names in that schema, in the order in which
 * PostgreSQL runs them. Null where the text does not tell where each of them begins.
 */
export function schemaElements(statement: ParsedStatement): ParsedStatement[] | null {
  const { node, text } = statement
  const elements = 'CreateSchemaStmt' in node ? (node.CreateSchemaStmt.schemaElts ?? []) : []
  if (!('CreateSchemaStmt' in node) || elements.length === 0) return []
  const starts = elementStarts(text)
  if (starts.length !== elements.length) return null
  const schema = createdSchema(node.CreateSchemaStmt)
  const placeOf = lineColumns(text)
  const found = elements.map((element, n): ParsedStatement => {
    const [start = 0, next = text.length] = starts.slice(n)
    const own = text.slice(start, next).trimEnd()
    const { line, column } = placeOf(start)
    return {
      kind: Object.keys(element)[0] ?? '',
      node: inSchema(element, schema),
      text: own,
      start: statement.start + start,
      end: statement.start + start + own.length,
      line: statement.line + line - 1,
      column: line > 1 ? column : statement.column + start,
    }
  })
  return found.toSorted((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
}

const ORDER = ['CreateSeqStmt', 'CreateStmt', 'ViewStmt', 'IndexStmt', 'CreateTrigStmt', 'GrantStmt']

type SchemaNode = Extract<Node, { CreateSchemaStmt: unknown }>['CreateSchemaStmt']

/** The name of the schema; that of its owner when it has no other. */
export function createdSchema({ schemaname, authrole }: SchemaNode): string {
  return schemaname ?? authrole?.rolename ?? ''
}

/** CREATE and GRANT are reserved words: outside of parentheses they begin an element, but for labels and WITH GRANT OPTION. */
function elementStarts(text: string): number[] {
  const tokens = sqlTokens(text).filter(({ depth }) => depth === 0)
  return tokens.slice(1).flatMap(({ text: word, start }, n) => {
    const before = tokens[n]?.text.toLowerCase() ?? ''
    return /^(create|grant)$/i.test(word) && !['.', 'as', 'with'].includes(before) ? [start] : []
  })
}

function inSchema(element: Node, schema: string): Node {
  if ('CreateSeqStmt' in element) return { CreateSeqStmt: withSchema(element.CreateSeqStmt, 'sequence', schema) }
  if ('CreateStmt' in element) return { CreateStmt: withSchema(element.CreateStmt, 'relation', schema) }
  if ('ViewStmt' in element) return { ViewStmt: withSchema(element.ViewStmt, 'view', schema) }
  if ('IndexStmt' in element) return { IndexStmt: withSchema(element.IndexStmt, 'relation', schema) }
  if ('CreateTrigStmt' in element) return { CreateTrigStmt: withSchema(element.CreateTrigStmt, 'relation', schema) }
  return element
}

function withSchema<K extends string, N extends { [key in K]?: { schemaname?: string } }>(
  content: N,
  key: K,
  schemaname: string,
): N {
  return { ...content, [key]: { schemaname, ...content[key] } }
}
