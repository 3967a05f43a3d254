import { fatesOf, say } from '../../history/fates.ts'
import type { LintRule } from '../../rule.ts'

export const usedBeforeCreated: LintRule = {
  id: 'used-before-created',
  family: 'history',
  severity: 'error',
  effect:
    'The history stops here on every new database, although it ran where somebody applied the files in another order.',
  instead: 'Move the statement behind the one that creates the object, into a file with a later version.',
  *check(statement, moment) {
    for (const { use, fate } of fatesOf(statement, moment, 'later')) {
      if (use.kind === 'column' || (use.as === 'trigger' && use.kind === 'function')) continue
      yield {
        at: use.at,
        object: use.name,
        message: `${say(use)} is used before it is created`,
        related: [{ ...fate.creation, message: 'created here' }],
      }
    }
  },
}
