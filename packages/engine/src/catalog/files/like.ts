import type { Node } from '../../parse/parser.ts'
import type { Column, Constraint, Index, Table } from '../model.ts'
import { identitySequence } from './columns.ts'
import { newConstraintName } from './constraints.ts'
import { chooseName } from './choose-name.ts'
import { markUnknown, type Fold } from './fold.ts'
import { isIndexNameTaken, indexNameParts } from './index-keys.ts'
import { relationName } from './names.ts'

type LikeNode = Extract<Node, { TableLikeClause: unknown }>['TableLikeClause']

/** TableLikeOption of PostgreSQL's grammar. */
const INCLUDING = {
  comments: 1,
  compression: 2,
  constraints: 4,
  defaults: 8,
  generated: 16,
  identity: 32,
  indexes: 64,
  statistics: 128,
  storage: 256,
}

type Has = (what: keyof typeof INCLUDING) => boolean

function included({ options = 0 }: LikeNode): Has {
  return (what) => (options & INCLUDING[what]) !== 0
}

/** The columns of LIKE, in their place among the others. */
export function copyColumns(fold: Fold, table: Table, like: LikeNode): void {
  const { key } = relationName(fold, like.relation)
  const source = fold.catalog.tables.get(key)
  if (!source) return markUnknown(fold, `create table .. like ${key}`)
  const has = included(like)
  for (const column of source.columns.values()) {
    const copy = copyColumn(fold, table, column, has)
    table.columns.set(column.name, { ...copy, ordinal: table.columns.size + 1, position: fold.position })
  }
}

function copyColumn(fold: Fold, table: Table, column: Column, has: Has): Column {
  const isIdentity = has('identity') && column.identity !== null
  const sequence = isIdentity ? identitySequence(fold, table, column.name, column.type, undefined) : null
  return {
    ...column,
    default: has('defaults') ? column.default : null,
    identity: isIdentity ? column.identity : null,
    identitySequence: sequence && column.identitySequence && { ...column.identitySequence, name: sequence.name },
    generated: has('generated') ? column.generated : null,
    storage: has('storage') ? column.storage : null,
    compression: has('compression') ? column.compression : null,
    comment: has('comments') ? column.comment : null,
    statistics: null,
    options: [],
    unvalidatedNotNull: null,
  }
}

/** Checks, keys and indexes of LIKE, when all columns are there. */
export function copyParts(fold: Fold, table: Table, like: LikeNode): void {
  const source = fold.catalog.tables.get(relationName(fold, like.relation).key)
  if (!source) return
  const has = included(like)
  const comment = (text: string | null) => (has('comments') ? text : null)
  for (const constraint of has('constraints') ? source.constraints.values() : []) {
    if (constraint.kind === 'check')
      table.constraints.set(constraint.name, {
        ...constraint,
        comment: comment(constraint.comment),
        position: fold.position,
      })
  }
  for (const index of has('indexes') ? source.indexes.values() : []) copyIndex(fold, table, source, index, comment)
  if (has('statistics')) copyStatistics(fold, table, source, comment)
}

function copyIndex(
  fold: Fold,
  table: Table,
  source: Table,
  index: Index,
  comment: (text: string | null) => string | null,
): void {
  const constraint: Constraint | undefined = source.constraints.get(index.name)
  const columns = indexNameParts(index)
  const taken = (name: string) => isIndexNameTaken(fold, table.schema, name)
  const name = constraint
    ? newConstraintName(fold, table, constraint.kind, columns)
    : chooseName(table.name, columns, 'idx', taken)
  table.indexes.set(name, { ...index, name, comment: comment(index.comment), position: fold.position })
  if (constraint)
    table.constraints.set(name, { ...constraint, name, comment: comment(constraint.comment), position: fold.position })
}

function copyStatistics(
  { catalog, position }: Fold,
  table: Table,
  source: Table,
  comment: (text: string | null) => string | null,
): void {
  const key = `${source.schema}.${source.name}`
  for (const own of [...catalog.statistics.values()].filter(({ table: of }) => of === key)) {
    const columns = own.expressions.map((text) => (source.columns.has(text) ? text : 'expr'))
    const name = chooseName(table.name, columns, 'stat', (text) => catalog.statistics.has(`${table.schema}.${text}`))
    catalog.statistics.set(`${table.schema}.${name}`, {
      ...own,
      schema: table.schema,
      name,
      table: `${table.schema}.${table.name}`,
      owner: null,
      comment: comment(own.comment),
      position,
    })
  }
}
