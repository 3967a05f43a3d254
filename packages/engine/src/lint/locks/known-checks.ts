import type { Table } from '../../catalog/model.ts'
import { walkTree } from '../../parse/walk.ts'

/** Whether a validated check says that a column is not null, as one of the conditions that all must hold. */
export function isKnownNotNull(table: Table, column: string): boolean {
  const quoted = `(?:"${escape(column)}"|\\b${escape(column)}\\b)`
  const says = new RegExp(`${quoted}\\)*\\s+is\\s+not\\s+null`, 'i')
  return validChecks(table).some((text) => says.test(text) && !/\bor\b/i.test(text))
}

interface Bound {
  readonly is_default?: boolean
  readonly listdatums?: readonly object[]
  readonly lowerdatums?: readonly object[]
  readonly upperdatums?: readonly object[]
}

/** Whether validated checks say what the bound of a partition asks for: its key is not null and within the bound's values. */
export function boundIsChecked(table: Table, partitionKey: string | null, bound: Bound | undefined): boolean {
  if (!bound || bound.is_default) return false
  const columns = keyColumns(table, partitionKey)
  const isFilled = columns.every((column) => table.columns.get(column)?.notNull || isKnownNotNull(table, column))
  return isFilled && mentionsBound(table, columns, bound)
}

/** Whether a validated check of the default partition speaks of the values of a new bound: it excludes them. */
export function boundIsExcluded(table: Table, partitionKey: string | null, bound: Bound): boolean {
  return mentionsBound(table, keyColumns(table, partitionKey), bound)
}

/** No proof, but nobody writes such a check for another purpose. */
function mentionsBound(table: Table, columns: readonly string[], bound: Bound): boolean {
  const values = boundValues(bound)
  if (values.length === 0) return false
  const text = validChecks(table).join(' ')
  const words = new Set(text.split(/[^\p{L}\p{N}_$.-]+/u))
  return columns.every((column) => words.has(column)) && values.every((value) => text.includes(value))
}

function validChecks({ constraints }: Table): string[] {
  return [...constraints.values()]
    .filter(({ kind, validated }) => kind === 'check' && validated)
    .map(({ definition }) => definition)
}

/** Columns of `range (at, lower(name))` that the table has. */
function keyColumns({ columns }: Table, partitionKey: string | null): string[] {
  const words = (partitionKey ?? '').replace(/^\w+/, '').split(/[^\p{L}\p{N}_$]+/u)
  return words.filter((word) => columns.has(word))
}

function boundValues({ listdatums = [], lowerdatums = [], upperdatums = [] }: Bound): string[] {
  const values: string[] = []
  walkTree([...listdatums, ...lowerdatums, ...upperdatums], (tag, content) => {
    if (tag !== 'A_Const') return
    const { sval, ival, fval } = content as {
      sval?: { sval?: string }
      ival?: { ival?: number }
      fval?: { fval?: string }
    }
    if (sval) values.push(sval.sval ?? '')
    else if (ival) values.push(String(ival.ival ?? 0))
    else if (fval) values.push(fval.fval ?? '')
  })
  return values
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
