import type { Table } from '../../catalog/model.ts'
import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { checkConditions, checkValues, columnName, constantText } from './check-values.ts'

/**
 * Whether a validated check says that a column is not null, as one of the conditions that all must hold; those that are
 * `dropped` do not count.
 */
export function isKnownNotNull(table: Table, column: string, dropped: ReadonlySet<string> = new Set()): boolean {
  return knownConditions(table, dropped).some(
    (node) =>
      'NullTest' in node && node.NullTest.nulltesttype === 'IS_NOT_NULL' && columnName(node.NullTest.arg) === column,
  )
}

/** `for values ..` of a partition. */
export interface Bound {
  readonly is_default?: boolean
  readonly listdatums?: Node[]
  readonly lowerdatums?: Node[]
  readonly upperdatums?: Node[]
}

/** Whether validated checks say what the bound of a partition asks for: its key is not null and within the bound's values. */
export function boundIsChecked(table: Table, partitionKey: string | null, bound: Bound | undefined): boolean {
  if (!bound || bound.is_default) return false
  const [column, ...others] = keyColumns(table, partitionKey)
  if (column === undefined || others.length > 0) return false
  if (!table.columns.get(column)?.notNull && !isKnownNotNull(table, column)) return false
  const conditions = knownConditions(table)
  if (bound.listdatums) {
    const allowed = bound.listdatums.map(constantText)
    return conditions
      .map(checkValues)
      .some((own) => own?.column === column && own.values.every((value) => allowed.includes(value)))
  }
  const [lower, upper] = [edge(bound.lowerdatums), edge(bound.upperdatums)]
  return (
    (lower === null || conditions.some((node) => isBeyond(node, column, ['>=', '>'], lower))) &&
    (upper === null || conditions.some((node) => isBeyond(node, column, ['<'], upper)))
  )
}

/** Whether a validated check of the default partition speaks of the values of a new bound: nobody writes one but to exclude them. */
export function boundIsExcluded(table: Table, partitionKey: string | null, bound: Bound): boolean {
  const nodes = [...(bound.listdatums ?? []), ...(bound.lowerdatums ?? []), ...(bound.upperdatums ?? [])]
  const values = nodes.flatMap((node) => constantText(node) ?? [])
  const text = validChecks(table).join(' ')
  const words = new Set(text.split(/[^\p{L}\p{N}_$]+/u))
  return (
    values.length > 0 &&
    values.every((value) => text.includes(value)) &&
    keyColumns(table, partitionKey).every((column) => words.has(column))
  )
}

/** `column >= '2024-01-01'`, where the value is the bound's or lies within it. */
function isBeyond(node: Node, column: string, operators: readonly string[], bound: string): boolean {
  if (!('A_Expr' in node) || node.A_Expr.kind !== 'AEXPR_OP') return false
  const { name, lexpr, rexpr } = node.A_Expr
  const value = constantText(rexpr)
  if (value === null || columnName(lexpr) !== column || !operators.includes(path(name).at(-1) ?? '')) return false
  if (value === bound) return true
  const [a, b] = [comparable(value), comparable(bound)]
  return a !== null && b !== null && (operators.includes('<') ? a < b : a > b)
}

/** Numbers and whole dates can be told apart without PostgreSQL. */
function comparable(text: string): number | null {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  return /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : null
}

/** The value of an edge; null for MINVALUE and MAXVALUE. */
function edge(datums: Node[] | undefined): string | null {
  return constantText(datums?.[0])
}

function knownConditions(table: Table, dropped?: ReadonlySet<string>): Node[] {
  return validChecks(table, dropped).flatMap(checkConditions)
}

function validChecks({ constraints }: Table, dropped: ReadonlySet<string> = new Set()): string[] {
  return [...constraints.values()]
    .filter(({ kind, validated, name }) => kind === 'check' && validated && !dropped.has(name))
    .map(({ definition }) => definition)
}

/** Columns of `range (at, lower(name))` that the table has. */
function keyColumns({ columns }: Table, partitionKey: string | null): string[] {
  const words = (partitionKey ?? '').replace(/^\w+/, '').split(/[^\p{L}\p{N}_$]+/u)
  return words.filter((word) => columns.has(word))
}
