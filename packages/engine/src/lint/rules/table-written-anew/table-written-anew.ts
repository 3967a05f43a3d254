import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const tableWrittenAnew: LintRule = {
  id: 'table-written-anew',
  family: 'locks',
  severity: 'error',
  effect: 'Readers and writers wait while the whole table and its indexes are written anew.',
  instead: 'vacuum without full; to give space back use pg_repack or pg_squeeze, outside a migration.',
  on: ['ClusterStmt', 'VacuumStmt'],
  *check({ node }, moment) {
    if ('ClusterStmt' in node) {
      const table = node.ClusterStmt.relation ? relationKey(node.ClusterStmt.relation) : null
      if (table === null || !moment.isNew(table)) yield finding('cluster', table)
    }
    if (!('VacuumStmt' in node) || !node.VacuumStmt.is_vacuumcmd) return
    const isFull = (node.VacuumStmt.options ?? []).some((item) => 'DefElem' in item && item.DefElem.defname === 'full')
    if (!isFull) return
    const tables = (node.VacuumStmt.rels ?? []).flatMap((item) =>
      'VacuumRelation' in item ? [relationKey(item.VacuumRelation.relation)] : [],
    )
    if (tables.length === 0) yield finding('vacuum full', null)
    for (const table of tables) if (!moment.isNew(table)) yield finding('vacuum full', table)
  },
}

function finding(command: string, table: string | null) {
  return {
    object: table,
    message: `${command} locks ${table === null ? 'every table' : `'${table}'`} and writes it anew`,
  }
}
