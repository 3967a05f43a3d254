import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { checkConstraint } from '../check-constraint.ts'
import type { UserType } from '../model.ts'
import { collationName } from './collation-name.ts'
import type { ConstraintNode } from './constraints.ts'
import { chooseName } from './choose-name.ts'
import type { Fold } from './fold.ts'
import type { Command } from './alter-table.ts'
import { hasRelation, newName, newRelation, relationName, typeNamed } from './names.ts'
import { qualify } from './qualify.ts'
import { typeText, type TypeNameLike } from './format-type.ts'
import { forget } from './gone.ts'
import { defaultGrants } from './default-grants.ts'
import { parenthesesBehind, trimmed } from './source-text.ts'

export function createEnum(fold: Fold, node: Extract<Node, { CreateEnumStmt: unknown }>['CreateEnumStmt']): void {
  addType(fold, path(node.typeName), { kind: 'enum', labels: path(node.vals) })
}

/** ALTER TYPE .. ADD VALUE and RENAME VALUE. */
export function alterEnum(fold: Fold, node: Extract<Node, { AlterEnumStmt: unknown }>['AlterEnumStmt']): void {
  const { key } = typeNamed(fold, path(node.typeName))
  const type = fold.catalog.types.get(key)
  if (!type || !node.newVal) return
  const labels = [...type.labels]
  const named = node.oldVal ?? node.newValNeighbor
  // PostgreSQL refuses these.
  if (labels.includes(node.newVal) || (named !== undefined && !labels.includes(named))) return
  if (node.oldVal) labels.splice(labels.indexOf(node.oldVal), 1, node.newVal)
  else {
    const neighbour = node.newValNeighbor ? labels.indexOf(node.newValNeighbor) : labels.length - 1
    labels.splice(node.newValIsAfter || !node.newValNeighbor ? neighbour + 1 : neighbour, 0, node.newVal)
  }
  fold.catalog.types.set(key, { ...type, labels })
}

export function createDomain(fold: Fold, node: Extract<Node, { CreateDomainStmt: unknown }>['CreateDomainStmt']): void {
  const names = path(node.domainname)
  const { text, start } = fold.statement
  const constraints = (node.constraints ?? []).flatMap((item) => ('Constraint' in item ? item.Constraint : []))
  const locations = constraints.map((constraint) => (constraint.location ?? 0) - start)
  const used = new Set<string>()
  const checks = constraints.flatMap((constraint, n) => {
    if (constraint.contype !== 'CONSTR_CHECK') return []
    const from = locations[n] ?? 0
    const end = locations.find((location) => location > from) ?? text.length
    const name = constraint.conname ?? chooseName(names.at(-1) ?? '', [], 'check', (own) => used.has(own))
    used.add(name)
    const check = parenthesesBehind(trimmed(text, { start: from, end }), 'check') ?? ''
    return checkConstraint({ name, columns: [], definition: qualify(fold, 'constraint', `CHECK (${check})`) })
  })
  const base = typeText(fold, node.typeName ?? {})
  addType(fold, names, {
    kind: 'domain',
    base,
    notNull: constraints.some((constraint) => constraint.contype === 'CONSTR_NOTNULL'),
    default: domainDefault(fold, constraints, locations),
    collation: node.collClause ? collationName(fold, path(node.collClause.collname), base) : null,
    checks: checks.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  })
}

function domainDefault(fold: Fold, constraints: ConstraintNode[], locations: number[]): string | null {
  const { text } = fold.statement
  const at = constraints.findIndex((constraint) => constraint.contype === 'CONSTR_DEFAULT')
  if (at < 0) return null
  const from = locations[at] ?? 0
  const end = locations.find((location) => location > from) ?? text.length
  return qualify(fold, 'expression', trimmed(text, { start: from, end }).replace(/^default\s+/i, ''))
}

export function createComposite(
  fold: Fold,
  node: Extract<Node, { CompositeTypeStmt: unknown }>['CompositeTypeStmt'],
): void {
  const { schema, name } = newRelation(fold, node.typevar)
  const attributes = (node.coldeflist ?? []).flatMap((item) =>
    'ColumnDef' in item
      ? {
          name: item.ColumnDef.colname ?? '',
          type: typeText(fold, (item.ColumnDef.typeName ?? {}) as TypeNameLike),
          comment: null,
        }
      : [],
  )
  addType(fold, [schema, name], { kind: 'composite', attributes })
}

export function createRange(fold: Fold, node: Extract<Node, { CreateRangeStmt: unknown }>['CreateRangeStmt']): void {
  const parameter = (name: string) => {
    const item = (node.params ?? []).find((own) => 'DefElem' in own && own.DefElem.defname === name)
    const value = item && 'DefElem' in item ? item.DefElem.arg : undefined
    return value && 'TypeName' in value ? value.TypeName : undefined
  }
  const [subtype, named] = [parameter('subtype'), parameter('collation')]
  const base = subtype ? typeText(fold, subtype) : null
  const collation = named ? collationName(fold, path(named.names), base ?? '') : null
  // The shell that stood in for it while its functions were made.
  fold.catalog.others.delete(`base type ${newName(fold, path(node.typeName)).key}`)
  addType(fold, path(node.typeName), { kind: 'range', base, collation })
}

function addType(fold: Fold, names: string[], parts: Pick<UserType, 'kind'> & Partial<UserType>): void {
  const { schema, name, key } = newName(fold, names)
  if (fold.catalog.types.has(key) || hasRelation(fold.catalog, key)) return
  forget(fold, key)
  fold.catalog.types.set(key, {
    schema,
    name,
    owner: null,
    comment: null,
    grants: defaultGrants(fold, 'type', schema),
    labels: [],
    attributes: [],
    base: null,
    notNull: false,
    checks: [],
    default: null,
    collation: null,
    position: fold.position,
    ...parts,
  })
}

/** ALTER TYPE .. ADD, DROP and ALTER ATTRIBUTE; a typed table follows its type. */
export function alterAttributes(fold: Fold, relation: Parameters<typeof relationName>[1], commands: Command[]): void {
  const { key } = relationName(fold, relation)
  const type = fold.catalog.types.get(key)
  if (!type) return
  let attributes = [...type.attributes]
  for (const { subtype, name = '', def } of commands) {
    const node = def && 'ColumnDef' in def ? def.ColumnDef : undefined
    const own = typeText(fold, node?.typeName ?? {})
    if (subtype === 'AT_AddColumn') attributes.push({ name: node?.colname ?? '', type: own, comment: null })
    else if (subtype === 'AT_DropColumn') attributes = attributes.filter((item) => item.name !== name)
    else if (subtype === 'AT_AlterColumnType')
      attributes = attributes.map((item) => (item.name === name ? { ...item, type: own } : item))
  }
  fold.catalog.types.set(key, { ...type, attributes })
}
