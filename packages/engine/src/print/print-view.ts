import { quoteIdentifier } from '../bundle/quote.ts'
import type { View } from '../catalog/model.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { columnList, lowerCase, optionText, qualified } from './sql-text.ts'

export function printView(view: View): UnplacedObject {
  const key = `${view.schema}.${view.name}`
  const place = { section: 'views', phase: 'views' } as const
  const defaults = Object.entries(view.columnDefaults).map(([column, value]) => viewDefault(view, column, value))
  return unplaced(`view ${key}`, view.schema, place, [viewStatement(view), ...defaults], { defines: [key] })
}

/** What an insert into the view puts into a column, null for nothing of the view's own. */
export function viewDefault(view: View, column: string, value: string | null): string {
  const alter = `alter view ${qualified(view)} alter column ${quoteIdentifier(column)}`
  return value === null ? `${alter} drop default` : `${alter} set default ${lowerCase(value)}`
}

export function viewStatement(view: View): string {
  const kind = view.materialized ? 'materialized view' : 'view'
  const options = view.options.map(optionText)
  const head = [
    `create ${kind} ${qualified(view)}`,
    ...columnNames(view),
    ...(options.length > 0 ? [`with (${options.join(', ')})`] : []),
    'as',
  ].join(' ')
  return `${head}\n${lowerCase(view.definition).trim()}${view.withData ? '' : '\nwith no data'}`
}

/** PostgreSQL prints a query with its names; one from a file may leave them to a list in front. */
function columnNames(view: View): string[] {
  return view.position !== undefined && view.columns.length > 0 ? [columnList(view.columns)] : []
}

/** `view a.v`, `materialized view a.v`. */
export function viewTarget(view: View): string {
  return `${view.materialized ? 'materialized view' : 'view'} ${qualified(view)}`
}
