import type { Node } from '../../parse/parser.ts'
import type { Table } from '../model.ts'

type AlterNode = Extract<Node, { ATAlterConstraint: unknown }>['ATAlterConstraint']

/** ALTER CONSTRAINT: when a key is checked. */
export function alterConstraint(table: Table, node: AlterNode): void {
  const constraint = table.constraints.get(node.conname ?? '')
  if (!constraint || !node.alterDeferrability) return
  const { deferrable = false, initdeferred: initiallyDeferred = false } = node
  const [, head = '', notValid = ''] =
    /^(.*?)(?: DEFERRABLE)?(?: INITIALLY DEFERRED)?( NOT VALID)?$/s.exec(constraint.definition) ?? []
  const tail = `${deferrable ? ' DEFERRABLE' : ''}${initiallyDeferred ? ' INITIALLY DEFERRED' : ''}${notValid}`
  const definition = head + tail
  table.constraints.set(constraint.name, { ...constraint, deferrable, initiallyDeferred, definition })
}

export function validateConstraint(table: Table, name: string): void {
  const constraint = table.constraints.get(name)
  if (!constraint) return
  const definition = constraint.definition.replace(/ NOT VALID$/, '')
  table.constraints.set(name, { ...constraint, validated: true, definition })
}
