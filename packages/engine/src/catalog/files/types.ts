import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { checkConstraint } from '../check-constraint.ts'
import type { UserType } from '../model.ts'
import { collationName } from './columns.ts'
import type { ConstraintNode } from './constraints.ts'
import { chooseName } from './choose-name.ts'
import { DEFAULT_SCHEMA, relationName, type Fold } from './fold.ts'
import { formatType, type TypeNameLike } from './format-type.ts'
import { forget } from './gone.ts'
import { defaultGrants } from './grants.ts'
import { parenthesesBehind, trimmed } from './source-text.ts'

export function createEnum(fold: Fold, node: Extract<Node, { CreateEnumStmt: unknown }>['CreateEnumStmt']): void {
  addType(fold, path(node.typeName), { kind: 'enum', labels: path(node.vals) })
}

/** ALTER TYPE .. ADD VALUE and RENAME VALUE. */
export function alterEnum(fold: Fold, node: Extract<Node, { AlterEnumStmt: unknown }>['AlterEnumStmt']): void {
  const [schema, name] = qualified(path(node.typeName))
  const type = fold.catalog.types.get(`${schema}.${name}`)
  if (!type || !node.newVal) return
  const labels = [...type.labels]
  if (node.oldVal) labels.splice(labels.indexOf(node.oldVal), 1, node.newVal)
  else if (!labels.includes(node.newVal)) {
    const neighbour = node.newValNeighbor ? labels.indexOf(node.newValNeighbor) : labels.length - 1
    labels.splice(node.newValIsAfter || !node.newValNeighbor ? neighbour + 1 : neighbour, 0, node.newVal)
  }
  fold.catalog.types.set(`${schema}.${name}`, { ...type, labels })
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
    return checkConstraint({ name, columns: [], definition: `CHECK (${check})` })
  })
  addType(fold, names, {
    kind: 'domain',
    base: formatType(node.typeName ?? {}),
    notNull: constraints.some((constraint) => constraint.contype === 'CONSTR_NOTNULL'),
    default: domainDefault(constraints, locations, text),
    collation: node.collClause ? collationName(path(node.collClause.collname)) : null,
    checks: checks.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  })
}

function domainDefault(constraints: ConstraintNode[], locations: number[], text: string): string | null {
  const at = constraints.findIndex((constraint) => constraint.contype === 'CONSTR_DEFAULT')
  if (at < 0) return null
  const from = locations[at] ?? 0
  const end = locations.find((location) => location > from) ?? text.length
  return trimmed(text, { start: from, end }).replace(/^default\s+/i, '')
}

export function createComposite(
  fold: Fold,
  node: Extract<Node, { CompositeTypeStmt: unknown }>['CompositeTypeStmt'],
): void {
  const { schema, name } = relationName(node.typevar)
  const attributes = (node.coldeflist ?? []).flatMap((item) =>
    'ColumnDef' in item
      ? {
          name: item.ColumnDef.colname ?? '',
          type: formatType((item.ColumnDef.typeName ?? {}) as TypeNameLike),
          comment: null,
        }
      : [],
  )
  addType(fold, [schema, name], { kind: 'composite', attributes })
}

export function createRange(fold: Fold, node: Extract<Node, { CreateRangeStmt: unknown }>['CreateRangeStmt']): void {
  const subtype = (node.params ?? []).find((item) => 'DefElem' in item && item.DefElem.defname === 'subtype')
  const type = subtype && 'DefElem' in subtype ? subtype.DefElem.arg : undefined
  const base = type && 'TypeName' in type ? formatType(type.TypeName) : null
  addType(fold, path(node.typeName), { kind: 'range', base })
}

function addType(fold: Fold, names: string[], parts: Pick<UserType, 'kind'> & Partial<UserType>): void {
  const [schema, name] = qualified(names)
  if (fold.catalog.types.has(`${schema}.${name}`)) return
  forget(fold, `${schema}.${name}`)
  fold.catalog.types.set(`${schema}.${name}`, {
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

export function qualified(names: string[]): [schema: string, name: string] {
  return [names.at(-2) ?? DEFAULT_SCHEMA, names.at(-1) ?? '']
}
