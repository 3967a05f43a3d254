import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import type { Column, IdentitySequence, Table } from '../model.ts'
import { collationName } from './collation-name.ts'
import { columnDefault } from './column-default.ts'
import { addConstraint, type ConstraintNode } from './constraints.ts'
import { chooseName } from './choose-name.ts'
import { positionAt, type Fold } from './fold.ts'
import { typeText } from './format-type.ts'
import { forget } from './gone.ts'
import { defaultGrants } from './default-grants.ts'
import { qualify } from './qualify.ts'
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

/** A column with nothing but a name and a type. */
export function plainColumn(fold: Fold, name: string, type: string, ordinal: number): Column {
  return {
    name,
    ordinal,
    type,
    notNull: false,
    unvalidatedNotNull: null,
    default: null,
    identity: null,
    generated: null,
    collation: null,
    identitySequence: null,
    storage: null,
    compression: null,
    statistics: null,
    options: [],
    comment: null,
    position: fold.position,
  }
}

/**
 * Adds a column as written in CREATE TABLE or ADD COLUMN; `end` is where its text stops in the statement, `source` the
 * table that the statement names when this is one that inherits from it.
 */
export function addColumn(fold: Fold, table: Table, node: ColumnDefNode, end: number, source = table): void {
  const name = node.colname ?? ''
  const before = table.columns.get(name)
  // In CREATE TABLE a column of that name is a parent's, which this one refines; ADD COLUMN leaves it.
  const isRefined = before !== undefined && source === table && 'CreateStmt' in fold.statement.node
  if (before && !isRefined) return
  if (before) fold.localColumns.add(`${table.schema}.${table.name}.${name}`)
  const typeNames = path(node.typeName?.names)
  const serial = typeNames.length === 1 ? SERIAL[typeNames[0] ?? ''] : undefined
  const constraints = (node.constraints ?? []).flatMap((item) => ('Constraint' in item ? item.Constraint : []))
  const texts = constraintTexts(fold, constraints, node, end)
  const textOf = (type: string, keyword: RegExp) => {
    const at = constraints.findIndex((constraint) => constraint.contype === type)
    return at < 0 ? null : (texts[at] ?? '').replace(keyword, '').trim()
  }
  const has = (type: string) => constraints.some((constraint) => constraint.contype === type)
  const type = serial ?? (node.typeName ? typeText(fold, node.typeName) : (before?.type ?? ''))
  const value = textOf('CONSTR_DEFAULT', NAMED_DEFAULT)
  const identity = source === table ? constraints.find((own) => own.contype === 'CONSTR_IDENTITY') : undefined
  const ordinal = before?.ordinal ?? table.columns.size + 1
  const column: Column = {
    ...(before ?? plainColumn(fold, name, type, ordinal)),
    type,
    notNull:
      before?.notNull ||
      has('CONSTR_NOTNULL') ||
      has('CONSTR_PRIMARY') ||
      identity !== undefined ||
      serial !== undefined,
    default: serial
      ? serialDefault(fold, table, name, serial, source)
      : value === null
        ? (before?.default ?? null)
        : columnDefault(fold, value, type),
    identity: identity ? (identity.generated_when === 'a' ? 'always' : 'by default') : null,
    collation: node.collClause
      ? collationName(fold, path(node.collClause.collname), type)
      : (before?.collation ?? null),
    identitySequence: identity ? identitySequence(fold, table, name, type, identity.options) : null,
    storage: node.storage_name?.toLowerCase() ?? null,
    compression: node.compression?.toLowerCase() ?? null,
    position: positionAt(fold, node.location),
  }
  forget(fold, `${table.schema}.${table.name}.${name}`)
  table.columns.set(name, column)
  const generated = generatedText(constraints, textOf('CONSTR_GENERATED', GENERATED))
  if (generated) {
    const text = qualify(fold, 'expression', generated.text, `${table.schema}.${table.name}`)
    table.columns.set(name, { ...column, generated: generated.isVirtual ? `${text} virtual` : text })
  }
  if (source === table) addColumnConstraints(fold, table, name, constraints, texts)
}

const GENERATED = /^.*?\bgenerated\s+always\s+as\s*/is
const NAMED_DEFAULT = /^(?:constraint\s+\S+\s+)?default\s+/i

function generatedText(
  constraints: ConstraintNode[],
  text: string | null,
): { text: string; isVirtual: boolean } | null {
  if (text === null) return null
  const constraint = constraints.find((own) => own.contype === 'CONSTR_GENERATED')
  return { text: text.replace(/\s*\b(stored|virtual)\s*$/i, ''), isVirtual: constraint?.generated_kind === 'v' }
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
  const clauses = sequenceClauses(fold, options)
  const name = clauses.name ?? `${table.schema}.${sequenceName(fold, table, column)}`
  return { name, ...sequenceOptions(type, clauses) }
}

function sequenceName(fold: Fold, table: Table, column: string): string {
  return chooseName(table.name, [column], 'seq', (name) => fold.catalog.sequences.has(`${table.schema}.${name}`))
}

/** Tables that inherit a serial column count with their parent's sequence. */
function serialDefault(fold: Fold, table: Table, column: string, type: string, source: Table): string {
  if (source !== table) return source.columns.get(column)?.default ?? ''
  const name = sequenceName(fold, table, column)
  fold.catalog.sequences.set(`${table.schema}.${name}`, {
    schema: table.schema,
    name,
    type,
    ownedBy: `${table.schema}.${table.name}.${column}`,
    comment: null,
    owner: table.owner,
    grants: defaultGrants(fold, 'sequence', table.schema),
    position: fold.position,
    ...sequenceOptions(type, {}),
  })
  return `nextval('${table.schema}.${name}'::regclass)`
}

/** DEFERRABLE and INITIALLY DEFERRED behind a column's constraint are entries of their own. */
export function withAttributes(constraints: readonly ConstraintNode[], n: number): ConstraintNode {
  const following = constraints.slice(n + 1)
  const stop = following.findIndex((other) => !other.contype?.startsWith('CONSTR_ATTR_'))
  const attributes = (stop < 0 ? following : following.slice(0, stop)).map((other) => other.contype)
  const initdeferred = attributes.includes('CONSTR_ATTR_DEFERRED')
  return { ...constraints[n], deferrable: initdeferred || attributes.includes('CONSTR_ATTR_DEFERRABLE'), initdeferred }
}

function addColumnConstraints(
  fold: Fold,
  table: Table,
  column: string,
  constraints: ConstraintNode[],
  texts: string[],
): void {
  constraints.forEach((constraint, n) => {
    if (!TABLE_CONSTRAINTS.has(constraint.contype ?? '')) return
    addConstraint(fold, table, withAttributes(constraints, n), texts[n] ?? '', column)
  })
}

const TABLE_CONSTRAINTS = new Set(['CONSTR_CHECK', 'CONSTR_PRIMARY', 'CONSTR_UNIQUE', 'CONSTR_FOREIGN'])
