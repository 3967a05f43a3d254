import { fatesOf } from '../../history/fates.ts'
import type { LintRule } from '../../rule.ts'

export const triggerBeforeFunction: LintRule = {
  id: 'trigger-before-function',
  family: 'history',
  severity: 'error',
  effect: 'The history stops here: a trigger needs its function when it is created, not when it fires.',
  instead: 'Create the function first, in this file or an earlier one.',
  on: ['CreateTrigStmt'],
  *check(statement, moment) {
    for (const { use, fate } of fatesOf(statement, moment, 'later', 'never')) {
      if (use.kind !== 'function') continue
      const when = fate.state === 'later' ? 'is created later' : 'is created by no file'
      yield {
        at: use.at,
        object: use.name,
        message: `the trigger's function '${use.name}' ${when}`,
        related: fate.state === 'later' ? [{ ...fate.creation, message: 'created here' }] : [],
      }
    }
  },
}
