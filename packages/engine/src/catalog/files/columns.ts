import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import type { Column, IdentitySequence, Table } from '../model.ts'
import { addConstraint, type ConstraintNode } from './constraints.ts'
import { chooseName } from './choose-name.ts'
import { positionAt, type Fold } from './fold.ts'
import { formatType } from './format-type.ts'
import { forget } from './gone.ts'
import { sequenceClauses, sequenceOptions } from './sequences.ts'
import { trimmed } from './source-text.ts'

export type ColumnDefNode = Extract<Node, { ColumnDef: unknown }>['ColumnDef']

const SERIAL: Record<string, string> = {
  serial: 'integer',
  serial4: 'integer',
  bigserial: 'bigint',
  serial8: 'bigint',
  smallserial: 'smallint',
  serial2: 'smallint',
}

/** Adds a column as written in CREATE TABLE or ADD COLUMN; `end` is where its text stops in the statement. */
export function addColumn(fold: Fold, table: Table, node: ColumnDefNode, end: number): void {
  const name = node.colname ?? ''
  if (table.columns.has(name)) return
  const typeNames = path(node.typeName?.names)
  const serial = typeNames.length === 1 ? SERIAL[typeNames[0] ?? ''] : undefined
  const constraints = (node.constraints ?? []).flatMap((item) => ('Constraint' in item ? item.Constraint : []))
  const texts = constraintTexts(fold, constraints, node, end)
  const textOf = (type: string, keyword: RegExp) => {
    const at = constraints.findIndex((constraint) => constraint.contype === type)
    return at < 0 ? null : (texts[at] ?? '').replace(keyword, '').trim()
  }
  const has = (type: string) => constraints.some((constraint) => constraint.contype === type)
  const identity = constraints.find((constraint) => constraint.contype === 'CONSTR_IDENTITY')
  const columnType = serial ?? formatType(node.typeName ?? {})
  const column: Column = {
    name,
    ordinal: Math.max(0, ...[...table.columns.values()].map((other) => other.ordinal)) + 1,
    type: columnType,
    notNull: has('CONSTR_NOTNULL') || has('CONSTR_PRIMARY') || identity !== undefined || serial !== undefined,
    default: serial ? serialDefault(fold, table, name, serial) : textOf('CONSTR_DEFAULT', NAMED_DEFAULT),
    identity: identity ? (identity.generated_when === 'a' ? 'always' : 'by default') : null,
    generated: generatedText(constraints, textOf('CONSTR_GENERATED', /^.*?\bgenerated\s+always\s+as\s*/is)),
    collation: node.collClause ? collationName(path(node.collClause.collname)) : null,
    identitySequence: identity ? identitySequence(fold, table, name, columnType, identity.options) : null,
    storage: node.storage_name?.toLowerCase() ?? null,
    compression: node.compression?.toLowerCase() ?? null,
    statistics: null,
    options: [],
    comment: null,
    position: positionAt(fold, node.location),
  }
  forget(fold, `${table.schema}.${table.name}.${name}`)
  table.columns.set(name, column)
  addColumnConstraints(fold, table, name, constraints, texts)
}

const NAMED_DEFAULT = /^(?:constraint\s+\S+\s+)?default\s+/i

function generatedText(constraints: ConstraintNode[], text: string | null): string | null {
  if (text === null) return null
  const constraint = constraints.find((own) => own.contype === 'CONSTR_GENERATED')
  const expression = text.replace(/\s*\b(stored|virtual)\s*$/i, '')
  return constraint?.generated_kind === 'v' ? `${expression} virtual` : expression
}

/** The source of each constraint: it runs up to the next one. */
function constraintTexts(fold: Fold, constraints: ConstraintNode[], node: ColumnDefNode, end: number): string[] {
  const { text, start } = fold.statement
  const edges = [...constraints.map((constraint) => constraint.location ?? 0), node.collClause?.location ?? 0]
    .map((location) => location - start)
    .toSorted((a, b) => a - b)
  return constraints.map((constraint) => {
    const from = (constraint.location ?? 0) - start
    return trimmed(text, { start: from, end: edges.find((edge) => edge > from) ?? end })
  })
}

/** The sequence behind an identity column, which has its own name unless one is given. */
export function identitySequence(
  fold: Fold,
  table: Table,
  column: string,
  type: string,
  options: Node[] | undefined,
): IdentitySequence {
  const clauses = sequenceClauses(options)
  const name = clauses.name ?? `${table.schema}.${sequenceName(fold, table, column)}`
  return { name, ...sequenceOptions(type, clauses) }
}

function sequenceName(fold: Fold, table: Table, column: string): string {
  return chooseName(table.name, [column], 'seq', (name) => fold.catalog.sequences.has(`${table.schema}.${name}`))
}

function serialDefault(fold: Fold, table: Table, column: string, type: string): string {
  const name = sequenceName(fold, table, column)
  fold.catalog.sequences.set(`${table.schema}.${name}`, {
    schema: table.schema,
    name,
    type,
    ownedBy: `${table.schema}.${table.name}.${column}`,
    comment: null,
    owner: table.owner,
    grants: [],
    position: fold.position,
    ...sequenceOptions(type, {}),
  })
  return `nextval('${table.schema}.${name}'::regclass)`
}

/** Constraints written behind a column; DEFERRABLE and NOT VALID behind one of them are entries of their own. */
function addColumnConstraints(
  fold: Fold,
  table: Table,
  column: string,
  constraints: ConstraintNode[],
  texts: string[],
): void {
  constraints.forEach((constraint, n) => {
    if (!TABLE_CONSTRAINTS.has(constraint.contype ?? '')) return
    const following = constraints.slice(n + 1)
    const stop = following.findIndex((other) => !other.contype?.startsWith('CONSTR_ATTR_'))
    const attributes = (stop < 0 ? following : following.slice(0, stop)).map((other) => other.contype)
    const initdeferred = attributes.includes('CONSTR_ATTR_DEFERRED')
    const deferrable = initdeferred || attributes.includes('CONSTR_ATTR_DEFERRABLE')
    addConstraint(fold, table, { ...constraint, deferrable, initdeferred }, texts[n] ?? '', column)
  })
}

const TABLE_CONSTRAINTS = new Set(['CONSTR_CHECK', 'CONSTR_PRIMARY', 'CONSTR_UNIQUE', 'CONSTR_FOREIGN'])

export function collationName(names: string[]): string {
  return names.length > 1 ? names.join('.') : `pg_catalog.${names[0] ?? ''}`
}
