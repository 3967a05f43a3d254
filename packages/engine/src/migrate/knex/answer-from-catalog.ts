import type { Catalog } from '../../catalog/model.ts'
import type { Query } from './create-knex.ts'

/** What hasTable() and hasColumn() of Knex ask for. */
export interface Question {
  readonly schema: string | null
  readonly table: string
  readonly column: string | null
}

const QUESTION = /^select \* from information_schema\.(tables|columns) where (.+)$/
const CONDITION = /^"?(table_name|column_name|table_schema)"? = (?:\$(\d+)|(current_schema\(\)))$/

/** Reads the question that a query asks about the schema; null for any other query. */
export function schemaQuestion({ sql, bindings }: Query): Question | null {
  const [, view, where = ''] = QUESTION.exec(sql) ?? []
  if (view === undefined) return null
  const asked = new Map<string, string | null>()
  for (const condition of where.split(' and ')) {
    const [, name = '', parameter, current] = CONDITION.exec(condition) ?? []
    if (parameter === undefined && current === undefined) return null
    asked.set(name, parameter === undefined ? null : String(bindings[Number(parameter) - 1]))
  }
  const table = asked.get('table_name') ?? null
  const column = asked.get('column_name') ?? null
  // The columns of a whole table are read for what they say, which the model keeps in other words.
  if (table === null || (view === 'columns') !== (column !== null)) return null
  return { schema: asked.get('table_schema') ?? null, table, column }
}

/** Whether the catalog has what is asked for; null when it cannot be told because of statements of unknown effect. */
export function answerQuestion(catalog: Catalog, { schema, table, column }: Question, current: string): boolean | null {
  const name = `${schema ?? current}.${table}`
  const found = catalog.tables.get(name)?.columns.keys() ?? catalog.views.get(name)?.columns
  const has = found !== undefined && (column === null || [...found].includes(column))
  return has || catalog.unknown.length === 0 ? has : null
}
