import type { SourcePosition } from '../../../catalog/model.ts'
import { holdsLiteral } from '../../../migrate/transaction-mode.ts'
import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import { path } from '../../../parse/references.ts'
import { typeKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const enumValueUsedTooEarly: LintRule = {
  id: 'enum-value-used-too-early',
  family: 'history',
  severity: 'error',
  effect:
    'A new value of an enum cannot be used before the transaction that adds it has committed: the file fails as a whole.',
  instead: 'Use the value in the next file, or start the file with -- imhotep:no-transaction.',
  *checkFile(file) {
    if (!file.transactional) return
    const created = new Set<string>()
    const added = new Map<string, { type: string; position: SourcePosition }>()
    for (const statement of file.statements) {
      const { node, start, line, column } = statement
      for (const [value, { type, position }] of added) {
        if (!holdsLiteral(node, value)) continue
        yield {
          at: start,
          object: type,
          message: `value '${value}' of ${type} is used in the transaction that adds it`,
          related: [{ ...position, message: 'added here' }],
        }
      }
      if (endsTransaction(statement)) added.clear()
      if ('CreateEnumStmt' in node) created.add(typeKey(path(node.CreateEnumStmt.typeName)))
      const addition = addedValue(statement)
      if (addition && !created.has(addition.type))
        added.set(addition.value, { type: addition.type, position: { file: file.file, line, column } })
    }
  },
}

function endsTransaction({ node }: ParsedStatement): boolean {
  return 'TransactionStmt' in node && /_(COMMIT|ROLLBACK)$/.test(node.TransactionStmt.kind ?? '')
}

function addedValue({ node }: ParsedStatement): { type: string; value: string } | null {
  if (!('AlterEnumStmt' in node)) return null
  const { newVal: value, oldVal, typeName } = node.AlterEnumStmt
  return value === undefined || oldVal !== undefined ? null : { type: typeKey(path(typeName)), value }
}
