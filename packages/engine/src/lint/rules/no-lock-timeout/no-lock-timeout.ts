import { heldLocks } from '../../locks/held-locks.ts'
import { sessionSettings } from '../../locks/session-settings.ts'
import type { LintRule } from '../../rule.ts'

export const noLockTimeout: LintRule = {
  id: 'no-lock-timeout',
  family: 'locks',
  severity: 'warning',
  // imhotep migrate sets 3 s and tries again: only who runs the files with another tool needs the rule.
  profile: 'style',
  effect:
    'The statement waits for its lock as long as it takes, and everybody who comes later waits behind it: one long query stops the application.',
  instead: "set local lock_timeout = '3s'; before it, and run the file again when it gives up.",
  *check(statement, moment) {
    const { before, taken } = heldLocks(statement, moment)
    const setting = sessionSettings(statement, moment.file).get('lock_timeout')
    const [lock] = taken
    if (!lock || setting || before.length > 0) return
    yield {
      object: lock.table,
      message: `'${lock.table}' is locked (${lock.mode}) without a lock_timeout`,
      fix: "set local lock_timeout = '3s';",
    }
  },
}
