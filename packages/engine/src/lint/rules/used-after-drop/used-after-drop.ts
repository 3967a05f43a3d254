import { fatesOf, say } from '../../history/fates.ts'
import type { LintRule } from '../../rule.ts'

export const usedAfterDrop: LintRule = {
  id: 'used-after-drop',
  family: 'history',
  severity: 'error',
  effect: 'The history stops here: what the statement needs is gone.',
  instead: 'Remove the statement, or create the object again before it.',
  *check(statement, moment) {
    for (const { use, fate } of fatesOf(statement, moment, 'dropped')) {
      if ('ViewStmt' in statement.node && use.kind === 'column') continue
      yield {
        at: use.at,
        object: use.name,
        message: `${say(use)} is used after it was dropped`,
        related: [{ ...fate.position, message: 'dropped here' }],
      }
    }
  },
}
