import type { Catalog, View } from '../../catalog/model.ts'
import { parseRaw } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { walkTree } from '../../parse/walk.ts'
import { relationKey } from './names.ts'

/** Whether a view's query reads a column of a table: by qualified name, or by a name that only this table of the query has. */
export function viewReadsColumn(view: View, table: string, column: string, catalog: Catalog): boolean {
  const { relations, columns, hasStar } = readQuery(view)
  const names = [...relations].filter(([, relation]) => relation === table).map(([alias]) => alias)
  if (names.length === 0) return false
  if (hasStar && view.columns.includes(column)) return true
  const isShared = [...relations.values()].some((other) => other !== table && hasColumn(other, column, catalog))
  return columns.some(
    ([qualifier, name]) => name === column && (qualifier === null ? !isShared : names.includes(qualifier)),
  )
}

function hasColumn(relation: string, column: string, { tables, views }: Catalog): boolean {
  return tables.get(relation)?.columns.has(column) ?? views.get(relation)?.columns.includes(column) ?? false
}

interface Query {
  /** Alias or name in the query -> `schema.table`. */
  readonly relations: Map<string, string>
  readonly columns: [qualifier: string | null, name: string][]
  readonly hasStar: boolean
}

const queries = new WeakMap<View, Query>()

function readQuery(view: View): Query {
  const known = queries.get(view)
  if (known) return known
  const relations = new Map<string, string>()
  const columns: [string | null, string][] = []
  let hasStar = false
  const parsed = parseRaw(view.definition)
  walkTree(Array.isArray(parsed) ? parsed.map(({ node }) => node) : [], (tag, content) => {
    if (tag === 'RangeVar') {
      const alias = (content['alias'] as { aliasname?: string } | undefined)?.aliasname
      relations.set(alias ?? String(content['relname']), relationKey(content))
    }
    if (tag !== 'ColumnRef') return
    const fields = content['fields'] as object[]
    const names = path(fields)
    if (fields.some((field) => 'A_Star' in field)) hasStar = true
    else columns.push([names.at(-2) ?? null, names.at(-1) ?? ''])
  })
  const query = { relations, columns, hasStar }
  queries.set(view, query)
  return query
}
