import { heldLocks } from '../../locks/held-locks.ts'
import { sessionSettings } from '../../locks/session-settings.ts'
import type { LintRule } from '../../rule.ts'

export const lockTimeoutDisabled: LintRule = {
  id: 'lock-timeout-disabled',
  family: 'locks',
  severity: 'error',
  effect:
    'The statement waits for its lock as long as it takes, and everybody who comes later waits behind it: one long query stops the application.',
  instead: "Leave lock_timeout as imhotep migrate sets it, or set it to some seconds: set local lock_timeout = '3s'.",
  *check(statement, moment) {
    const { taken } = heldLocks(statement, moment)
    const setting = sessionSettings(statement, moment.file).get('lock_timeout')
    const [lock] = taken
    if (!lock || !setting || !/^0+(\D.*)?$/.test(setting.value)) return
    yield {
      object: lock.table,
      message: `'${lock.table}' is locked (${lock.mode}) without a limit on the wait`,
      related: [{ ...setting, message: 'the limit is taken away here' }],
    }
  },
}
