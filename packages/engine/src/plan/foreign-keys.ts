import type { PlannedStatement } from './plan.ts'
import type { Node } from '../parse/parser.ts'

export interface ForeignKey {
  readonly table: string
  readonly constraint: string
  readonly references: string
  readonly referencedSchema: string
}

/** The keys that an ALTER TABLE adds when it adds foreign keys and nothing else; null for every other statement. */
export function addedForeignKeys(node: Node): ForeignKey[] | null {
  if (!('AlterTableStmt' in node)) return null
  const { relation, cmds = [] } = node.AlterTableStmt
  const keys: ForeignKey[] = []
  for (const command of cmds) {
    const definition = 'AlterTableCmd' in command ? command.AlterTableCmd.def : undefined
    if (!definition || !('Constraint' in definition) || definition.Constraint.contype !== 'CONSTR_FOREIGN') return null
    const { conname = '', pktable } = definition.Constraint
    keys.push({
      table: `${relation?.schemaname ?? ''}.${relation?.relname ?? ''}`,
      constraint: conname,
      references: `${pktable?.schemaname ?? ''}.${pktable?.relname ?? ''}`,
      referencedSchema: pktable?.schemaname ?? '',
    })
  }
  return keys
}

/** True for a foreign key that is not a statement of its own, and so cannot be moved behind all tables. */
export function hasHiddenForeignKey(statement: PlannedStatement): boolean {
  const { node } = statement
  if ('AlterTableStmt' in node && addedForeignKeys(node)) return false
  if (!('AlterTableStmt' in node) && !('CreateStmt' in node)) return false
  return JSON.stringify(node).includes('"contype":"CONSTR_FOREIGN"')
}

/** `schema.table.constraint` of a COMMENT ON CONSTRAINT: it has to follow its key. */
export function commentedConstraint(node: Node): string | null {
  if (!('CommentStmt' in node) || node.CommentStmt.objtype !== 'OBJECT_TABCONSTRAINT') return null
  const { object } = node.CommentStmt
  const names = object && 'List' in object ? (object.List.items ?? []) : []
  return names.map((name) => ('String' in name ? name.String.sval : '')).join('.')
}
