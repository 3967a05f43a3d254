import { sqlTokens } from '../parse/split-sql.ts'
import type { PlannedStatement } from '../plan/plan.ts'

/** A CREATE TABLE whose list of columns ends with the constraints that the ALTER TABLE statements add, one each. */
export function withConstraints(table: PlannedStatement, alters: readonly PlannedStatement[]): PlannedStatement {
  let { text } = table
  for (const alter of alters) text = withConstraint(table, text, alter)
  return { ...table, text }
}

function withConstraint({ node, start }: PlannedStatement, text: string, alter: PlannedStatement): string {
  const name = 'CreateStmt' in node ? (node.CreateStmt.relation?.location ?? 0) - start : 0
  const tokens = sqlTokens(text)
  const open = tokens.findIndex((token) => token.start > name && token.text === '(')
  const close = tokens.findIndex((token, n) => n > open && token.text === ')' && token.depth === tokens[open]?.depth)
  const last = tokens[close - 1]?.end ?? 0
  const end = tokens[close]?.start ?? 0
  const comments = text.slice(last, end).trimEnd()
  return `${text.slice(0, last)},${comments}\n${constraintLines(alter)}\n${text.slice(end)}`
}

/** The constraint as its author wrote it, with the comments around it; what it goes on with stands deeper. */
function constraintLines({ node, start, text, leading, trailing }: PlannedStatement): string {
  const [command] = 'AlterTableStmt' in node ? (node.AlterTableStmt.cmds ?? []) : []
  const definition = command && 'AlterTableCmd' in command ? command.AlterTableCmd.def : undefined
  const location = definition && 'Constraint' in definition ? (definition.Constraint.location ?? 0) : 0
  const constraint = text.slice(location - start).replaceAll(/\n[ \t]*/g, '\n    ')
  const lines = [...(leading ? [leading.replaceAll(/\n(?!\n)/g, '\n  ')] : []), constraint]
  return `${lines.map((line) => `  ${line}`).join('\n')}${trailing ? ` ${trailing}` : ''}`
}
