import { dependentsOf, listed } from '../../destruction/dependents.ts'
import { droppedObjects } from '../../destruction/dropped-objects.ts'
import type { LintRule } from '../../rule.ts'

export const droppedWhileUsed: LintRule = {
  id: 'dropped-while-used',
  family: 'destruction',
  severity: 'error',
  effect: 'PostgreSQL refuses to drop what other objects need: the file fails.',
  instead: 'Drop or change the objects that need it first.',
  on: ['DropStmt'],
  *check(statement, moment) {
    if (!('DropStmt' in statement.node) || statement.node.DropStmt.behavior === 'DROP_CASCADE') return
    const dropped = droppedObjects(statement, moment)
    const names = new Set(dropped.map(({ name }) => name))
    for (const object of dropped) {
      const needed = dependentsOf(object, moment.catalog).filter(({ owner }) => !names.has(owner))
      if (needed.length === 0) continue
      yield {
        object: object.name,
        message: `${object.kind} '${object.name}' is dropped, but ${listed(needed)} ${needed.length === 1 ? 'needs' : 'need'} it`,
        related: object.position ? [{ ...object.position, message: 'created here' }] : [],
      }
    }
  },
}
