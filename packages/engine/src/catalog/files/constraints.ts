import { quoteIdentifier, quoteQualified } from '../../bundle/quote.ts'
import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { walkTree } from '../../parse/walk.ts'
import type { Catalog, Constraint, Index, Table } from '../model.ts'
import { withoutIndexOptions } from '../without-index-options.ts'
import { chooseName } from './choose-name.ts'
import { positionAt, withPartitions, type Fold, type FoldOptions } from './fold.ts'
import { relationName } from './names.ts'
import { qualify } from './qualify.ts'
import { rekey } from './rekey.ts'
import { validateConstraint } from './alter-constraint.ts'
import { indexKeys, isIndexNameTaken, keyNames, indexNameParts } from './index-keys.ts'
import { relationOptions } from './relation-options.ts'
import { parenthesesBehind } from './source-text.ts'

export type ConstraintNode = Extract<Node, { Constraint: unknown }>['Constraint']

/**
 * Adds a constraint with its index to a table and what inherits it. `text` is its source, `column` the one it stands
 * behind, `isOnly` says that the table alone is meant.
 */
export function addConstraint(
  fold: Fold,
  table: Table,
  node: ConstraintNode,
  text: string,
  column?: string,
  isOnly = false,
): void {
  if (node.contype === 'CONSTR_NOTNULL') return setNotNull(fold, table, path(node.keys), node)
  if (node.indexname) return addFromIndex(fold, table, node)
  const constraint = makeConstraint(fold, table, node, text, column)
  if (!constraint || table.constraints.has(constraint.name)) return
  table.constraints.set(constraint.name, constraint)
  if (constraint.kind === 'primary key') {
    for (const name of constraint.columns) {
      const key = table.columns.get(name)
      if (key) key.notNull = true
    }
  }
  const index = constraintIndex(fold, table, node, constraint, text)
  if (index) table.indexes.set(index.name, index)
  if (isOnly || node.is_no_inherit) return
  const own = `${table.schema}.${table.name}`
  for (const below of withPartitions(fold.catalog, table)) {
    const isHeir = constraint.kind === 'check' && below.inherits.includes(own)
    if (below.partitionOf === own || isHeir) inheritConstraint(fold, below, constraint, index)
  }
}

/**
 * What a partition gets of its parent's constraint: checks and foreign keys by name, keys under a name of its own. A key of
 * its own that says the same becomes the parent's.
 */
export function inheritConstraint(
  fold: Fold,
  partition: Table,
  constraint: Constraint,
  index: Index | undefined,
): void {
  const equal = equalKey(fold.options, partition, constraint)
  if (equal) {
    if (index) fold.indexParents.set(`${partition.schema}.${equal.name}`, parentIndex(fold, partition, index))
    if (constraint.validated) validateConstraint(partition, equal.name)
    return
  }
  const named = constraint.kind === 'check' || constraint.kind === 'foreign key'
  const name = named
    ? constraint.name
    : newConstraintName(fold, partition, constraint.kind, index ? indexNameParts(index) : constraint.columns)
  if (!partition.constraints.has(name)) partition.constraints.set(name, { ...constraint, name, comment: null })
  if (index) {
    partition.indexes.set(name, { ...index, name, comment: null })
    fold.indexParents.set(`${partition.schema}.${name}`, parentIndex(fold, partition, index))
  }
  if (constraint.kind === 'primary key') {
    for (const key of constraint.columns) {
      const column = partition.columns.get(key)
      if (column) column.notNull = true
    }
  }
  for (const below of withPartitions(fold.catalog, partition).slice(1))
    inheritConstraint(fold, below, constraint, index)
}

function parentIndex({ catalog }: Fold, { partitionOf, schema }: Table, { name }: Index): string {
  return `${catalog.tables.get(partitionOf ?? '')?.schema ?? schema}.${name}`
}

/** NOT NULL as a constraint of the table (PostgreSQL 18), which is a property of the column here. */
function setNotNull(fold: Fold, table: Table, columns: string[], node: ConstraintNode = {}): void {
  const constraint = node.conname ?? newConstraintName(fold, table, 'not null', columns)
  for (const own of withPartitions(fold.catalog, table)) {
    for (const name of columns) {
      const column = own.columns.get(name)
      if (!column) continue
      if (!node.skip_validation) column.unvalidatedNotNull = null
      else if (!column.notNull) {
        column.unvalidatedNotNull = constraint
        column.notNullPosition = positionAt(fold, node.location)
      }
      column.notNull = true
    }
  }
}

/** ADD PRIMARY KEY or UNIQUE USING INDEX: the index becomes the constraint's and takes its name. */
function addFromIndex(fold: Fold, table: Table, node: ConstraintNode): void {
  const index = table.indexes.get(node.indexname ?? '')
  const kind = KINDS[node.contype ?? '']
  if (!index || !kind) return
  const name = node.conname ?? index.name
  const columns = index.keys.flatMap((key) => key.column ?? [])
  if (name !== index.name) rekey(table.indexes, index.name, name, { name })
  table.indexes.set(name, { ...index, name, fromConstraint: true })
  const nulls = index.nullsNotDistinct ? 'NULLS NOT DISTINCT ' : ''
  const base = {
    name,
    kind,
    columns,
    references: null,
    referencedColumns: [],
    onDelete: null,
    onUpdate: null,
    deferrable: node.deferrable ?? false,
    initiallyDeferred: node.initdeferred ?? false,
    validated: true,
    comment: null,
    position: positionAt(fold, node.location),
  }
  const including = index.include.map((column) => ({ String: { sval: column } }))
  const text = definition({ ...node, including }, base, '')
  table.constraints.set(name, { ...base, definition: text.replace('UNIQUE ', `UNIQUE ${nulls}`) })
  if (kind === 'primary key') setNotNull(fold, table, columns)
}

const KINDS: Record<string, Constraint['kind']> = {
  CONSTR_PRIMARY: 'primary key',
  CONSTR_UNIQUE: 'unique',
  CONSTR_FOREIGN: 'foreign key',
  CONSTR_CHECK: 'check',
  CONSTR_EXCLUSION: 'exclude',
}

function makeConstraint(
  fold: Fold,
  table: Table,
  node: ConstraintNode,
  text: string,
  column?: string,
): Constraint | null {
  const kind = KINDS[node.contype ?? '']
  if (!kind) return null
  const columns = constraintColumns(node, kind, table, column)
  const parts = kind === 'check' && columns.length !== 1 ? [] : keyNames([...columns, ...path(node.including)])
  const name = node.conname ?? newConstraintName(fold, table, kind, parts)
  const common = {
    name,
    columns,
    deferrable: node.deferrable ?? false,
    initiallyDeferred: node.initdeferred ?? false,
    validated: !(node.skip_validation ?? false),
    comment: null,
    position: positionAt(fold, node.location),
  }
  if (node.pktable) return makeForeignKey(fold.catalog, node, common, relationName(fold, node.pktable).key)
  const base = { ...common, kind, references: null, referencedColumns: [], onDelete: null, onUpdate: null }
  const own = definition(node, base, text)
  return { ...base, definition: qualify(fold, 'constraint', own, `${table.schema}.${table.name}`) }
}

type Common = Omit<
  Constraint,
  'kind' | 'references' | 'referencedColumns' | 'onDelete' | 'onUpdate' | 'definition' | 'disabledOn'
>

/** A foreign key that a statement adds, to a table that `references` names. */
export function makeForeignKey(catalog: Catalog, node: ConstraintNode, common: Common, references: string): Constraint {
  const base = {
    ...common,
    kind: 'foreign key' as const,
    references,
    referencedColumns: referenced(catalog, references, path(node.pk_attrs)),
    onDelete: ACTIONS[node.fk_del_action ?? 'a'] ?? null,
    onUpdate: ACTIONS[node.fk_upd_action ?? 'a'] ?? null,
  }
  return { ...base, definition: definition(node, base, '') }
}

const ACTIONS: Record<string, Constraint['onDelete']> = {
  a: 'no action',
  r: 'restrict',
  c: 'cascade',
  n: 'set null',
  d: 'set default',
}

function constraintColumns(node: ConstraintNode, kind: Constraint['kind'], table: Table, column?: string): string[] {
  if (kind === 'check') return columnsRead(node.raw_expr, table)
  if (kind === 'exclude') {
    return (node.exclusions ?? []).flatMap((item) => {
      const [element] = 'List' in item ? (item.List.items ?? []) : []
      return element && 'IndexElem' in element && element.IndexElem.name ? element.IndexElem.name : []
    })
  }
  const listed = path(kind === 'foreign key' ? node.fk_attrs : node.keys)
  return listed.length > 0 || column === undefined ? listed : [column]
}

/** Columns of the table that an expression names, sorted. */
export function columnsRead(expression: unknown, table: Table): string[] {
  const names = new Set<string>()
  walkTree([expression], (tag, content) => {
    const name = tag === 'ColumnRef' ? path(content['fields']).at(-1) : undefined
    if (name !== undefined && table.columns.has(name)) names.add(name)
  })
  return [...names].toSorted()
}

function referenced(catalog: Catalog, table: string, columns: string[]): string[] {
  if (columns.length > 0) return columns
  const target = catalog.tables.get(table)
  return (
    [...(target?.constraints.values() ?? [])].find((constraint) => constraint.kind === 'primary key')?.columns ?? []
  )
}

/** The form of pg_get_constraintdef; expressions stay as written. */
function definition(node: ConstraintNode, constraint: Omit<Constraint, 'definition'>, text: string): string {
  const list = (columns: readonly string[]) => `(${columns.map(quoteIdentifier).join(', ')})`
  const include = path(node.including)
  const tail = [
    constraint.deferrable ? ' DEFERRABLE' : '',
    constraint.initiallyDeferred ? ' INITIALLY DEFERRED' : '',
    constraint.validated ? '' : ' NOT VALID',
  ].join('')
  const including = include.length > 0 ? ` INCLUDE ${list(include)}` : ''
  switch (constraint.kind) {
    case 'primary key':
      return `PRIMARY KEY ${list(constraint.columns)}${including}${tail}`
    case 'unique':
      return `UNIQUE ${node.nulls_not_distinct ? 'NULLS NOT DISTINCT ' : ''}${list(constraint.columns)}${including}${tail}`
    case 'check':
      return `CHECK (${parenthesesBehind(text, 'check') ?? ''})${node.is_no_inherit ? ' NO INHERIT' : ''}${tail}`
    case 'foreign key': {
      const [schema = '', name = ''] = constraint.references?.split('.') ?? []
      const update = constraint.onUpdate === 'no action' ? '' : ` ON UPDATE ${constraint.onUpdate?.toUpperCase()}`
      const columns = path(node.fk_del_set_cols)
      const removal = constraint.onDelete === 'no action' ? '' : ` ON DELETE ${constraint.onDelete?.toUpperCase()}`
      const match = node.fk_matchtype === 'f' ? ' MATCH FULL' : ''
      const target = `${quoteQualified(schema, name)}${list(constraint.referencedColumns)}`
      const setColumns = columns.length > 0 ? ` ${list(columns)}` : ''
      return `FOREIGN KEY ${list(constraint.columns)} REFERENCES ${target}${match}${update}${removal}${setColumns}${tail}`
    }
    default:
      return withoutIndexOptions(text.replace(/^constraint\s+("[^"]*"|\S+)\s+/i, ''))
  }
}

function constraintIndex(
  fold: Fold,
  table: Table,
  node: ConstraintNode,
  constraint: Constraint,
  text: string,
): Index | undefined {
  if (!['primary key', 'unique', 'exclude'].includes(constraint.kind)) return undefined
  const where = constraint.kind === 'exclude' && node.where_clause ? parenthesesBehind(text, 'where') : null
  const own = `${table.schema}.${table.name}`
  const plain = (column: string) => ({
    column,
    expression: null,
    operatorClass: null,
    collation: null,
    descending: false,
    nullsFirst: false,
  })
  return {
    name: constraint.name,
    unique: constraint.kind !== 'exclude',
    fromConstraint: true,
    method: node.access_method && constraint.kind === 'exclude' ? node.access_method : 'btree',
    keys: constraint.kind === 'exclude' ? exclusionKeys(fold, table, node, text) : constraint.columns.map(plain),
    include: path(node.including),
    predicate: where === null ? null : qualify(fold, 'expression', where, own),
    nullsNotDistinct: node.nulls_not_distinct ?? false,
    options: relationOptions(node.options),
    valid: true,
    comment: null,
    position: fold.position,
  }
}

function exclusionKeys(fold: Fold, table: Table, node: ConstraintNode, text: string): Index['keys'] {
  const elements = (node.exclusions ?? []).flatMap((item) =>
    'List' in item ? (item.List.items ?? []).slice(0, 1) : [],
  )
  return indexKeys(fold, table, elements, text, 'with')
}

const SUFFIXES: Record<Constraint['kind'], string> = {
  'primary key': 'pkey',
  unique: 'key',
  'foreign key': 'fkey',
  check: 'check',
  exclude: 'excl',
  'not null': 'not_null',
}

export function newConstraintName(
  fold: Fold,
  table: Table,
  kind: Constraint['kind'],
  columns: readonly string[],
): string {
  const hasIndex = kind === 'primary key' || kind === 'unique' || kind === 'exclude'
  const taken = (name: string) =>
    isConstraintNameTaken(fold, table.schema, name) || (hasIndex && isIndexNameTaken(fold, table.schema, name))
  return chooseName(table.name, kind === 'primary key' ? [] : columns, SUFFIXES[kind], taken)
}

/** A name of PostgreSQL's choice is one that no other constraint of the schema has. */
function isConstraintNameTaken({ catalog }: Fold, schema: string, name: string): boolean {
  for (const own of catalog.tables.values()) if (own.schema === schema && own.constraints.has(name)) return true
  return false
}

/** A key or foreign key of its own that a partition has for one of its parent's. */
export function equalKey(
  { serverVersion = 18 }: FoldOptions,
  table: Table,
  constraint: Pick<Constraint, 'kind' | 'definition'>,
): Constraint | undefined {
  const { kind } = constraint
  const own = [...table.constraints.values()].filter((other) => other.kind === kind)
  if (kind === 'foreign key')
    return own.find((other) => essence(other) === essence(constraint) && (other.validated || serverVersion >= 18))
  if (kind !== 'primary key' && kind !== 'unique') return undefined
  return own.find((other) => withoutTime(other) === withoutTime(constraint))
}

/** When a key is looked at makes it no other one. */
function withoutTime({ definition: text }: Pick<Constraint, 'definition'>): string {
  return text.replace(/ DEFERRABLE(?: INITIALLY DEFERRED)?$/, '')
}

/** Of a foreign key what a partition's must have in common with its parent's. */
function essence({ definition: text }: Pick<Constraint, 'definition'>): string {
  return text.replace(/ NOT VALID$/, '').replace(/( ON DELETE SET (?:NULL|DEFAULT)) \(.*\)/, '$1')
}
