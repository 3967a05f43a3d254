import { quoteIdentifier, quoteQualified } from '@imhotep/engine'
import type { SharedIndex } from '../../model.ts'
import type { DerivedColumn, DerivedTable } from './derived-table.ts'
import type { Report } from './left-out.ts'
import { withTable, type Names } from './names.ts'
import { UntranslatableError } from './parse-expression.ts'

/** Secondary indexes. A unique one is an index and no constraint, so that making it twice is making it once. */
export function printIndexes(
  table: DerivedTable,
  columns: readonly DerivedColumn[],
  names: Names,
  report: Report,
): string {
  const { schema, name } = table.target
  const statements = table.shared.indexes.map((index) => {
    const keys = report.attempt(table, `index ${index.name}`, wayOut(index), () =>
      keysOf(index, columns, table, report),
    )
    if (keys === null) return ''
    const indexName = quoteIdentifier(names.take(withTable(name, index.name)))
    const unique = index.unique ? 'unique ' : ''
    return `create ${unique}index if not exists ${indexName} on ${quoteQualified(schema, name)} (${keys.join(', ')});\n`
  })
  return statements.join('')
}

function wayOut({ kind }: SharedIndex): string {
  if (kind === 'fulltext')
    return 'add a gin index on to_tsvector(...) and let queries use @@ instead of MATCH ... AGAINST'
  if (kind === 'spatial') return 'keep places in PostGIS and add a gist index'
  return 'add an index on an expression in the next migration'
}

function keysOf(index: SharedIndex, columns: readonly DerivedColumn[], table: DerivedTable, report: Report): string[] {
  if (index.kind !== undefined) throw new UntranslatableError(`a ${index.kind} index is searched by other queries here`)
  return index.columns.map((name, at) => {
    const column = columns.find((candidate) => candidate.name === name)
    if (!column) {
      throw new UntranslatableError(name === '' ? 'it is on an expression' : `the column ${name} is left out`)
    }
    if (column.targetType === 'json') throw new UntranslatableError('PostgreSQL does not order json')
    const { prefix = null, descending = false } = index.parts?.[at] ?? {}
    const value = prefix === null ? quoteIdentifier(name) : prefixOf(index, column, prefix, table, report)
    return `${value}${descending ? ' desc' : ''}`
  })
}

/** What is sure to fit in a page: 2,704 bytes, four a character. */
const wholeCharacters = 600

/** A prefix of a short text only kept MariaDB's index small; but a unique one says that beginnings differ. */
function prefixOf(
  index: SharedIndex,
  column: DerivedColumn,
  prefix: number,
  table: DerivedTable,
  report: Report,
): string {
  const name = quoteIdentifier(column.name)
  const length = column.family === 'text' ? (column.type.numbers[0] ?? Infinity) : Infinity
  if (!index.unique && length <= wholeCharacters) return name
  const beginning = column.family === 'bytes' ? `substr(${name}, 1, ${prefix})` : `left(${name}, ${prefix})`
  if (!index.unique) {
    report(
      table,
      `whole values in index ${index.name}`,
      `it holds ${beginning}, and only queries that say so find it`,
      `let queries say ${beginning} = ... too`,
    )
  }
  return beginning
}
