import { classOf, isProtected, makeContext, scopeOf } from '../../../verify/context.ts'
import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const rowsInMigration: LintRule = {
  id: 'rows-in-migration',
  family: 'policy',
  severity: 'warning',
  effect:
    'Every database that runs the file gets these rows, production included: made-up people beside real ones, or real ones in the source.',
  instead: 'Put example rows into a seed that production refuses; reference rows belong into tables of no tenant.',
  *checkHistory({ catalog, history, policy }) {
    const context = makeContext(catalog, policy)
    for (const { file, statements, name } of history.files) {
      if (name?.kind === 'undo') continue
      for (const { node, line, column } of statements) {
        if (!('InsertStmt' in node) || !hasRows(node.InsertStmt.selectStmt)) continue
        const table = catalog.tables.get(relationKey(node.InsertStmt.relation))
        if (!table || (!isProtected(table, context) && scopeOf(table, context) !== 'tenant')) continue
        const object = `${table.schema}.${table.name}`
        const what = classOf(table, context)
        const whose = isProtected(table, context) ? `class=${what}` : 'rows of tenants'
        const message = `rows are written into '${object}' (${whose}) by a migration`
        yield { position: { file, line, column }, object, message }
      }
    }
  },
}

/** VALUES: rows that stand in the file. A query that fills one table from others is a migration's own work. */
function hasRows(select: object | undefined): boolean {
  return select !== undefined && 'SelectStmt' in select && 'valuesLists' in (select.SelectStmt as object)
}
