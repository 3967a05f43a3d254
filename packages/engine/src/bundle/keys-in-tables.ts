import type { Node } from '../parse/parser.ts'
import { addedForeignKeys } from '../plan/foreign-keys.ts'
import type { Plan, PlannedStatement, PlanSection } from '../plan/plan.ts'
import { withConstraints } from './with-constraints.ts'

type CreateTable = Extract<Node, { CreateStmt: unknown }>['CreateStmt']
type Constraint = Extract<Node, { Constraint: unknown }>['Constraint']

/**
 * The plan with foreign keys written into the CREATE TABLE of their table wherever every plan that has the table also has
 * what the key points to, above it. There PostgreSQL looks for no rows to check and the script needs no guard. The parse
 * tree of the table stays the one without keys.
 */
export function keysInTables(plan: Plan): Plan {
  const tables = createdTables(plan)
  const keys = new Map<PlannedStatement, PlannedStatement[]>()
  const placed = new Set<PlannedStatement>()
  for (const section of plan.sections) {
    for (const statement of section.statements) {
      const table = tableFor(statement, section, tables, plan)
      if (!table) continue
      placed.add(statement)
      keys.set(table.statement, [...(keys.get(table.statement) ?? []), statement])
    }
  }
  const sections = plan.sections.map((section) => ({
    ...section,
    statements: section.statements
      .filter((statement) => !placed.has(statement))
      .map((statement) => withConstraints(statement, keys.get(statement) ?? [])),
  }))
  return { ...plan, sections: sections.filter(({ statements }) => statements.length > 0) }
}

interface CreatedTable {
  readonly statement: PlannedStatement
  readonly create: CreateTable
  readonly module: string
  /** Its place among the tables of the plan. */
  readonly place: number
  /** True when rows come in before the keys: those of another table may come behind them. */
  readonly isFilled: boolean
}

/** The tables that are made from a list of columns. */
function createdTables(plan: Plan): Map<string, CreatedTable> {
  const above = plan.sections.filter(({ part }) => part === 'foundation' || part === 'tables')
  const filled = new Set(
    above.flatMap(({ statements }) =>
      statements.map(({ node }) => ('InsertStmt' in node ? nameOf(node.InsertStmt.relation) : '')),
    ),
  )
  const tables = new Map<string, CreatedTable>()
  for (const { module, statements } of above) {
    for (const statement of statements) {
      const { node } = statement
      if (!('CreateStmt' in node) || node.CreateStmt.partbound || node.CreateStmt.ofTypename) continue
      const name = nameOf(node.CreateStmt.relation)
      const isFilled = filled.has(name)
      tables.set(name, { statement, create: node.CreateStmt, module, place: tables.size, isFilled })
    }
  }
  return tables
}

function tableFor(
  { node }: PlannedStatement,
  { module }: PlanSection,
  tables: ReadonlyMap<string, CreatedTable>,
  plan: Plan,
): CreatedTable | null {
  const [key, ...more] = addedForeignKeys(node) ?? []
  const definition = onlyConstraint(node)
  if (!key?.constraint || more.length > 0 || !definition) return null
  const table = tables.get(key.table)
  const target = tables.get(key.references)
  // A key that another module adds has to come with that module, to a table that may be there before.
  if (!table || !target || table.module !== module || table.isFilled) return null
  const required = plan.modules.find(({ name }) => name === module)?.requires ?? []
  const isAbove = target.place <= table.place && (target.module === module || required.includes(target.module))
  // CREATE TABLE takes NOT VALID and forgets it.
  if (!isAbove || definition.skip_validation) return null
  const columns = columnsOf(table.create)
  const hasColumns = names(definition.fk_attrs).every((name) => columns.includes(name))
  return hasColumns && hasKey(target.create, names(definition.pk_attrs)) ? table : null
}

function onlyConstraint(node: Node): Constraint | null {
  const [command] = 'AlterTableStmt' in node ? (node.AlterTableStmt.cmds ?? []) : []
  const definition = command && 'AlterTableCmd' in command ? command.AlterTableCmd.def : undefined
  return definition && 'Constraint' in definition ? definition.Constraint : null
}

function columnsOf({ tableElts = [] }: CreateTable): string[] {
  return tableElts.flatMap((element) => ('ColumnDef' in element ? [element.ColumnDef.colname ?? ''] : []))
}

/** True when the table is made with a primary key or unique constraint of these columns; none stands for its primary key. */
function hasKey({ tableElts = [] }: CreateTable, columns: string[]): boolean {
  return tableElts.some((element) => {
    if ('Constraint' in element) return isKey(element.Constraint, names(element.Constraint.keys), columns)
    if (!('ColumnDef' in element)) return false
    const { colname = '', constraints = [] } = element.ColumnDef
    return constraints.some((own) => 'Constraint' in own && isKey(own.Constraint, [colname], columns))
  })
}

function isKey({ contype }: Constraint, own: string[], columns: string[]): boolean {
  if (columns.length === 0) return contype === 'CONSTR_PRIMARY'
  if (contype !== 'CONSTR_PRIMARY' && contype !== 'CONSTR_UNIQUE') return false
  return own.length === columns.length && own.every((name) => columns.includes(name))
}

function names(nodes: Node[] = []): string[] {
  return nodes.map((node) => ('String' in node ? (node.String.sval ?? '') : ''))
}

function nameOf(relation: CreateTable['relation']): string {
  return `${relation?.schemaname ?? ''}.${relation?.relname ?? ''}`
}
