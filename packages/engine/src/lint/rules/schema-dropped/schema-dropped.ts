import { dependentsOf, listed } from '../../destruction/dependents.ts'
import { droppedObjects } from '../../destruction/dropped-objects.ts'
import type { LintRule } from '../../rule.ts'

export const schemaDropped: LintRule = {
  id: 'schema-dropped',
  family: 'destruction',
  severity: 'error',
  effect: 'Everything in it is lost, also what nobody has listed.',
  instead: 'Drop what it holds one by one, each when no client needs it, then the empty schema without CASCADE.',
  on: ['DropStmt'],
  *check(statement, moment) {
    for (const dropped of droppedObjects(statement, moment)) {
      if (dropped.kind !== 'schema') continue
      const inside = dependentsOf(dropped, moment.catalog)
      // Without CASCADE PostgreSQL drops an empty schema only.
      const isCascade = 'DropStmt' in statement.node && statement.node.DropStmt.behavior === 'DROP_CASCADE'
      if (!isCascade && inside.length === 0) continue
      yield {
        object: dropped.name,
        message: `schema '${dropped.name}' is dropped${inside.length > 0 ? ` with ${listed(inside)}` : ' with all it holds'}`,
        related: dropped.position ? [{ ...dropped.position, message: 'created here' }] : [],
      }
    }
  },
}
