import type { LintRule } from '../../rule.ts'

export const ifExistsMissing: LintRule = {
  id: 'if-exists-missing',
  family: 'structure',
  severity: 'info',
  profile: 'style',
  effect: 'A file that runs outside a transaction and stopped half-way cannot be run again.',
  instead: 'drop .. if exists ..',
  on: ['DropStmt'],
  *check({ node }, { file }) {
    if (file.transactional) return
    if ('DropStmt' in node && !node.DropStmt.missing_ok) yield { object: null, message: 'drop without IF EXISTS' }
  },
}
