import { isCalled, laterStatements } from '../../destruction/later-statements.ts'
import { alterSteps, existingSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

/** What takes protection away -> what gives it back. */
const SWITCHES: Readonly<Record<string, string>> = {
  AT_DisableRowSecurity: 'AT_EnableRowSecurity',
  AT_NoForceRowSecurity: 'AT_ForceRowSecurity',
}

export const rowSecurityOff: LintRule = {
  id: 'row-security-off',
  family: 'tenancy',
  severity: 'error',
  effect: 'From here on every role that may read the table (without FORCE: its owner) reads the rows of everybody.',
  instead:
    'Leave it on. For a repair of rows use a role with BYPASSRLS by hand, or switch it on again in the same transaction.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const { table, command, start } of existingSteps(statement, moment)) {
      const { subtype = '' } = command
      const back = SWITCHES[subtype]
      if (back === undefined) continue
      const later = laterStatements(statement, moment.file).flatMap(alterSteps)
      if (later.some((other) => isCalled(other.table, table) && other.command.subtype === back)) continue
      const what = subtype === 'AT_DisableRowSecurity' ? 'switched off' : 'no longer forced'
      yield { at: start, object: table, message: `row level security of '${table}' is ${what}` }
    }
  },
}
