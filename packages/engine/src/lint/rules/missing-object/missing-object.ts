import { fatesOf, say } from '../../history/fates.ts'
import type { LintRule } from '../../rule.ts'

export const missingObject: LintRule = {
  id: 'missing-object',
  family: 'history',
  severity: 'error',
  effect: 'The history stops here on every new database: it runs only where somebody made the object by hand.',
  instead: 'Add the file that creates it, or correct the name.',
  *check(statement, moment) {
    for (const { use, fate } of fatesOf(statement, moment, 'never')) {
      if (use.kind === 'column' || (use.as === 'trigger' && use.kind === 'function')) continue
      const meant = fate.similar === null ? '' : `; '${fate.similar}' exists`
      yield { at: use.at, object: use.name, message: `no file creates ${say(use)}, which this ${use.as} needs${meant}` }
    }
  },
}
