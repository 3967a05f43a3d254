import { droppedObjects } from '../../destruction/dropped-objects.ts'
import type { LintRule } from '../../rule.ts'

export const tableDropped: LintRule = {
  id: 'table-dropped',
  family: 'destruction',
  severity: 'error',
  effect: 'Its rows are lost, and every running client that names it fails.',
  instead:
    'Deploy code that no longer names it; rename the table aside for a while; drop it when nobody missed it and a backup holds the rows. Then say why: -- imhotep:ignore table-dropped <reason>.',
  on: ['DropStmt'],
  *check(statement, moment) {
    for (const { kind, name, position } of droppedObjects(statement, moment)) {
      if (kind !== 'table') continue
      const table = moment.catalog.tables.get(name)
      const what = table?.partitionOf ? `partition '${name}' of '${table.partitionOf}'` : `table '${name}'`
      yield {
        object: name,
        message: `${what} is dropped with all its rows`,
        related: position ? [{ ...position, message: 'created here' }] : [],
      }
    }
  },
}
