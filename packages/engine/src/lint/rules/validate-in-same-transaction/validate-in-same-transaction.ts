import type { SourcePosition } from '../../../catalog/model.ts'
import { alterSteps } from '../../locks/alter-steps.ts'
import { isTransactional } from '../../locks/held-locks.ts'
import type { LintRule } from '../../rule.ts'

export const validateInSameTransaction: LintRule = {
  id: 'validate-in-same-transaction',
  family: 'locks',
  severity: 'error',
  effect:
    'The strong lock of ADD CONSTRAINT is held until the transaction ends, so that writers wait for the whole check: NOT VALID gained nothing.',
  instead: 'Move VALIDATE CONSTRAINT into the next file.',
  *checkFile(file, moment) {
    if (!isTransactional(file) || file.name?.kind === 'undo') return
    const added = new Map<string, SourcePosition>()
    for (const statement of file.statements) {
      if ('TransactionStmt' in statement.node && statement.node.TransactionStmt.kind === 'TRANS_STMT_COMMIT')
        added.clear()
      for (const { table, command, start } of alterSteps(statement)) {
        if (moment.isNew(table)) continue
        const { subtype, def, name = '' } = command
        if (subtype === 'AT_AddConstraint' && def && 'Constraint' in def && def.Constraint.skip_validation) {
          const { line, column } = statement
          added.set(`${table} ${def.Constraint.conname}`, { file: file.file, line, column })
        }
        const position = added.get(`${table} ${name}`)
        if (subtype !== 'AT_ValidateConstraint' || !position) continue
        yield {
          at: start,
          object: table,
          message: `'${name}' is validated in the transaction that adds it, under the lock on '${table}'`,
          related: [{ ...position, message: 'added here' }],
        }
      }
    }
  },
}
