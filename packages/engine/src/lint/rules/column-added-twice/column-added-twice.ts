import { formatType } from '../../../catalog/files/format-type.ts'
import type { Node } from '../../../parse/parser.ts'
import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const columnAddedTwice: LintRule = {
  id: 'column-added-twice',
  family: 'history',
  severity: 'error',
  effect: 'The history stops here, or with IF NOT EXISTS keeps the first definition without a word.',
  instead: 'Remove the second one; to change the column, alter it.',
  on: ['AlterTableStmt'],
  *check({ node }, { catalog }) {
    if (!('AlterTableStmt' in node)) return
    const name = relationKey(node.AlterTableStmt.relation)
    const commands = node.AlterTableStmt.cmds ?? []
    for (const command of commands) {
      if (!('AlterTableCmd' in command) || command.AlterTableCmd.subtype !== 'AT_AddColumn') continue
      const { def, missing_ok: isTolerated } = command.AlterTableCmd
      if (!def || !('ColumnDef' in def)) continue
      const { colname = '', typeName = {} } = def.ColumnDef
      const existing = catalog.tables.get(name)?.columns.get(colname)
      // PostgreSQL drops first, whatever the order.
      if (!existing || commands.some((other) => drops(other, colname))) continue
      const type = formatType(typeName)
      if (isTolerated && existing.type === type) continue
      const difference = existing.type === type ? '' : ` as ${existing.type}, here it is ${type}`
      const position = existing.position ?? catalog.tables.get(name)?.position
      yield {
        object: `${name}.${colname}`,
        message: `column '${name}.${colname}' exists already${difference}`,
        related: position ? [{ ...position, message: 'added first here' }] : [],
      }
    }
  },
}

function drops(command: Node, column: string): boolean {
  if (!('AlterTableCmd' in command)) return false
  const { subtype, name } = command.AlterTableCmd
  return subtype === 'AT_DropColumn' && name === column
}
