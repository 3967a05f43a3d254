import { relationKey } from '../../history/names.ts'
import { viewReadsColumn } from '../../history/view-columns.ts'
import type { AlterCommand } from '../../locks/alter-steps.ts'
import { columnReaders } from '../../locks/column-readers.ts'
import type { LintRule, Moment } from '../../rule.ts'

export const viewOnDroppedColumn: LintRule = {
  id: 'view-on-dropped-column',
  family: 'history',
  severity: 'error',
  effect:
    'PostgreSQL refuses to drop a column that a view, policy, trigger or generated column reads, or with CASCADE drops that too, and what reads the view.',
  instead: 'Drop what reads the column first and create it again without the column.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    const { node } = statement
    if (!('AlterTableStmt' in node)) return
    const table = relationKey(node.AlterTableStmt.relation)
    const commands = (node.AlterTableStmt.cmds ?? []).flatMap((item) =>
      'AlterTableCmd' in item ? item.AlterTableCmd : [],
    )
    for (const [n, command] of commands.entries()) {
      if (command.subtype !== 'AT_DropColumn') continue
      const { name = '' } = command
      for (const { what, position } of readers(table, command, commands.slice(0, n), moment)) {
        yield {
          object: `${table}.${name}`,
          message: `${what} reads column '${table}.${name}', which is dropped here`,
          related: position ? [{ ...position, message: 'created here' }] : [],
        }
      }
    }
  },
}

function readers(table: string, command: AlterCommand, before: readonly AlterCommand[], { catalog }: Moment) {
  const { name = '', behavior } = command
  const views = [...catalog.views]
    .filter(([, view]) => viewReadsColumn(view, table, name, catalog))
    .map(([key, { position }]) => ({ what: `view '${key}'`, position }))
  // With CASCADE it is as asked for: drop-cascade tells of that.
  if (behavior === 'DROP_CASCADE') return views
  const ended = new Set(
    before.flatMap(({ subtype = '', name: own }) => (/^AT_Drop(Column|Expression)$/.test(subtype) ? own : [])),
  )
  const others = columnReaders(catalog, table, name)
    .filter((reader) => reader.kind !== 'generated column' || !ended.has(reader.name))
    .map((reader) => ({ what: `${reader.kind} '${reader.name}' of '${reader.table}'`, position: reader.position }))
  return [...views, ...others]
}
