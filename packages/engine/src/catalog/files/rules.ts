import type { Node } from '../../parse/parser.ts'
import { type Fold } from './fold.ts'
import { relationName } from './names.ts'

export function createRule(fold: Fold, node: Extract<Node, { RuleStmt: unknown }>['RuleStmt']): void {
  const { key } = relationName(fold, node.relation)
  const owner = fold.catalog.tables.get(key) ?? fold.catalog.views.get(key)
  const name = node.rulename ?? ''
  const before = owner?.rules.get(name)
  if (!owner || (before && !node.replace)) return
  owner.rules.set(name, {
    name,
    definition: fold.statement.text,
    enabled: 'origin',
    comment: before?.comment ?? null,
    position: fold.position,
  })
}
