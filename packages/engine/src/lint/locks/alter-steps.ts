import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { Node } from '../../parse/parser.ts'
import { sqlTokens, type SqlToken } from '../../parse/split-sql.ts'
import { relationKey } from '../history/names.ts'
import type { Moment } from '../rule.ts'

export type AlterCommand = Extract<Node, { AlterTableCmd: unknown }>['AlterTableCmd']
export type ConstraintNode = Extract<Node, { Constraint: unknown }>['Constraint']
export type ColumnNode = Extract<Node, { ColumnDef: unknown }>['ColumnDef']

/** One command of an ALTER TABLE: `add column ..`, `alter column ..`. Offsets are those of the file. */
export interface AlterStep {
  /** `schema.table`. */
  readonly table: string
  readonly command: AlterCommand
  readonly start: number
  readonly end: number
}

const known = new WeakMap<ParsedStatement, readonly AlterStep[]>()

/** The commands of an ALTER TABLE, each with its place; none for another statement. */
export function alterSteps(statement: ParsedStatement): readonly AlterStep[] {
  const { node } = statement
  if (!('AlterTableStmt' in node) || node.AlterTableStmt.objtype !== 'OBJECT_TABLE') return []
  let steps = known.get(statement)
  // A statement's names get their schema when its turn comes.
  if (!steps || steps[0]?.table !== relationKey(node.AlterTableStmt.relation)) {
    steps = readSteps(statement, node.AlterTableStmt)
    known.set(statement, steps)
  }
  return steps
}

/** The same for a table that production may hold already. */
export function existingSteps(statement: ParsedStatement, moment: Moment): readonly AlterStep[] {
  const steps = alterSteps(statement)
  const table = steps[0]?.table
  return table === undefined || moment.isNew(table) || moment.catalog.views.has(table) ? [] : steps
}

/** Names of the constraints that an ALTER TABLE drops. */
export function droppedConstraints(statement: ParsedStatement): ReadonlySet<string> {
  return new Set(
    alterSteps(statement).flatMap(({ command: { subtype, name } }) =>
      subtype === 'AT_DropConstraint' && name !== undefined ? name : [],
    ),
  )
}

/** The constraint that an ADD CONSTRAINT adds. */
export function addedConstraint({ command: { subtype, def } }: AlterStep): ConstraintNode | null {
  return subtype === 'AT_AddConstraint' && def && 'Constraint' in def ? def.Constraint : null
}

/** The column that an ADD COLUMN adds, but for one that exists already (IF NOT EXISTS passes it by). */
export function addedColumn({ table, command }: AlterStep, { catalog }: Moment): ColumnNode | null {
  const { subtype, def } = command
  if (subtype !== 'AT_AddColumn' || !def || !('ColumnDef' in def)) return null
  return catalog.tables.get(table)?.columns.has(def.ColumnDef.colname ?? '') ? null : def.ColumnDef
}

/** Constraints written behind a column. */
export function columnConstraints({ constraints = [] }: ColumnNode): ConstraintNode[] {
  return constraints.flatMap((item) => ('Constraint' in item ? [item.Constraint] : []))
}

function readSteps(
  { text, start }: ParsedStatement,
  { relation, cmds = [] }: Extract<Node, { AlterTableStmt: unknown }>['AlterTableStmt'],
): AlterStep[] {
  const table = relationKey(relation)
  const tokens = sqlTokens(text)
  const begin = behindName(tokens, (relation?.location ?? start) - start)
  const steps: AlterStep[] = []
  let from = begin
  for (const item of cmds) {
    let to = from
    while (to < tokens.length && !(tokens[to]?.text === ',' && tokens[to]?.depth === 0)) to++
    const [first, last] = [tokens[from], tokens[to - 1]]
    if ('AlterTableCmd' in item) {
      const span = { start: start + (first?.start ?? 0), end: start + (last?.end ?? text.length) }
      steps.push({ table, command: item.AlterTableCmd, ...span })
    }
    from = to + 1
  }
  return steps
}

/** The token behind a name that starts at an offset: `"a"."b"`, `a.b *`. */
function behindName(tokens: readonly SqlToken[], offset: number): number {
  let at = tokens.findIndex((token) => token.start >= offset) + 1
  while (tokens[at]?.text === '.') at += 2
  return tokens[at]?.text === '*' || tokens[at]?.text === ')' ? at + 1 : at
}
