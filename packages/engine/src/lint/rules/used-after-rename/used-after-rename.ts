import { fatesOf, say } from '../../history/fates.ts'
import type { LintRule } from '../../rule.ts'

export const usedAfterRename: LintRule = {
  id: 'used-after-rename',
  family: 'history',
  severity: 'error',
  effect: 'The history stops here: the old name means nothing any more.',
  instead: 'Use the new name.',
  *check(statement, moment) {
    for (const { use, fate } of fatesOf(statement, moment, 'renamed', 'moved')) {
      const now = fate.to === null ? '' : `: it is '${fate.to}' now`
      yield {
        at: use.at,
        object: use.name,
        message: `${say(use)} was ${fate.state}${now}`,
        related: [{ ...fate.position, message: `${fate.state} here` }],
      }
    }
  },
}
