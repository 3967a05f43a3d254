import type { Catalog } from '../catalog/model.ts'
import { parseRaw } from '../parse/parser.ts'
import { path } from '../parse/references.ts'
import { walkTree } from '../parse/walk.ts'
import { lowerCase } from '../print/sql-text.ts'
import type { Changes } from './changes.ts'
import { namesIn } from './names-in.ts'
import { touchedColumns } from './touched-columns.ts'

/**
 * Generated columns are computed anew when what computes them changes: their expression, a column that it reads (PostgreSQL
 * alters none that is read) or a function that it calls. Adds them to `changes.remade`; functions have to be there.
 */
export function markGenerated(changes: Changes, left: Catalog): void {
  const functions = lostFunctions(changes, left)
  for (const [key, table] of left.tables) {
    const touched = touchedColumns(changes, key, table)
    for (const { name, generated } of table.columns.values()) {
      const column = `column ${key}.${name}`
      if (changes.isGone(column)) continue
      const isShaken = generated !== null && standsOn(generated, touched, functions)
      if (isShaken || changes.properties(column).has('generated')) changes.remade.add(column)
    }
  }
}

function lostFunctions(changes: Changes, left: Catalog): string[] {
  return [...left.functions]
    .filter(([key]) => changes.isGone(`function ${key}`) || changes.remade.has(`function ${key}`))
    .map(([, { schema, name }]) => `${schema}.${name}`)
}

function standsOn(generated: string, columns: ReadonlySet<string>, functions: readonly string[]): boolean {
  if (columns.size === 0 && functions.length === 0) return false
  const query = `select ${lowerCase(generated.replace(/ virtual$/, ''))}`
  const names = namesIn(query)
  return columnsIn(query).some((name) => columns.has(name)) || functions.some((name) => names.has(name))
}

function columnsIn(sql: string): string[] {
  const found: string[] = []
  walkTree(parseRaw(sql), (tag, content) => {
    if (tag === 'ColumnRef') found.push(path(content['fields']).at(-1) ?? '')
  })
  return found
}
