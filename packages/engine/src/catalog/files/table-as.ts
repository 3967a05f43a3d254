import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { plainColumn } from './columns.ts'
import { markUnknown, type Fold } from './fold.ts'
import { typeText } from './format-type.ts'
import { forget } from './gone.ts'
import { hasRelation, newRelation } from './names.ts'
import { newTable } from './new-table.ts'
import { relationOptions } from './relation-options.ts'
import { queryColumns, usesIn } from './uses.ts'

type Into = NonNullable<Extract<Node, { CreateTableAsStmt: unknown }>['CreateTableAsStmt']['into']>

/** CREATE TABLE AS and SELECT INTO. A type that the query does not spell out is `unknown`, and the catalog says so. */
export function createTableAs(fold: Fold, into: Into | undefined, query: Node | undefined): void {
  const made = newRelation(fold, into?.rel)
  const { key } = made
  if (into?.rel?.relpersistence === 't' || hasRelation(fold.catalog, key)) return
  const aliases = path(into?.colNames)
  const names = queryColumns(fold, query)
  const types = names ? queryTypes(fold, query) : []
  const table = newTable(fold, made, {
    unlogged: into?.rel?.relpersistence === 'u',
    options: relationOptions(into?.options),
  })
  for (const [n, own] of (names ?? []).entries()) {
    const column = aliases[n] ?? own
    table.columns.set(column, plainColumn(fold, column, types[n] ?? 'unknown', n + 1))
  }
  forget(fold, key)
  fold.catalog.tables.set(key, table)
  const open = [...table.columns.values()].filter((column) => column.type === 'unknown')
  if (!names) markUnknown(fold, `columns of ${key}, made by a query`)
  else if (open.length > 0)
    markUnknown(fold, `types of ${key}, made by a query: ${open.map((own) => own.name).join(', ')}`)
}

/** Types of the entries of a SELECT list: those of columns, casts and count(*); undefined for others. */
function queryTypes(fold: Fold, query: Node | undefined): (string | undefined)[] {
  const select = query && 'SelectStmt' in query ? query.SelectStmt : undefined
  if (!select || select.larg) return []
  const uses = usesIn(fold, [query])
  return (select.targetList ?? []).flatMap((item): (string | undefined)[] => {
    const value = 'ResTarget' in item ? item.ResTarget.val : undefined
    if (!value) return [undefined]
    if ('TypeCast' in value) return [typeText(fold, value.TypeCast.typeName ?? {})]
    if ('FuncCall' in value && path(value.FuncCall.funcname).at(-1) === 'count') return ['bigint']
    if (!('ColumnRef' in value)) return [undefined]
    const use = uses.find(
      (own) => (own.kind === 'column' || own.kind === 'star') && own.at === value.ColumnRef.location,
    )
    if (use?.kind === 'star') return (use.columns ?? []).map((own) => columnType(fold, own.table, own.name))
    return [use?.kind === 'column' ? columnType(fold, use.table, use.column) : undefined]
  })
}

function columnType({ catalog }: Fold, table: string | null, column: string): string | undefined {
  return catalog.tables.get(table ?? '')?.columns.get(column)?.type
}
