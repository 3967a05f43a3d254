import type { Catalog, Constraint, Table } from '../../../catalog/model.ts'
import { relationKey } from '../../history/names.ts'
import type { LintRule, Problem } from '../../rule.ts'

export const foreignKeyTypeMismatch: LintRule = {
  id: 'foreign-key-type-mismatch',
  family: 'history',
  severity: 'error',
  effect:
    'PostgreSQL refuses the key, or accepts it and casts at every check, and values that fit one side do not fit the other.',
  instead: 'Give both columns the same type.',
  on: ['CreateStmt', 'AlterTableStmt'],
  *checkAfter({ node, line }, { catalog, file }) {
    const relation =
      'CreateStmt' in node
        ? node.CreateStmt.relation
        : 'AlterTableStmt' in node
          ? node.AlterTableStmt.relation
          : undefined
    const table = catalog.tables.get(relationKey(relation))
    for (const key of table?.constraints.values() ?? []) {
      const isOfStatement = key.position?.file === file.file && key.position.line >= line
      if (table && key.kind === 'foreign key' && isOfStatement) yield* mismatches(table, key, catalog)
    }
  },
}

function* mismatches(table: Table, key: Constraint, catalog: Catalog): Iterable<Problem> {
  const target = catalog.tables.get(key.references ?? '')
  for (const [n, name] of key.columns.entries()) {
    const own = table.columns.get(name)
    const other = target?.columns.get(key.referencedColumns[n] ?? '')
    if (!own || !other || isSameType(own.type, other.type, catalog)) continue
    yield {
      position: key.position,
      object: `${table.schema}.${table.name}.${name}`,
      message: `'${name}' is ${own.type}, '${key.references}.${other.name}', which it refers to, is ${other.type}`,
      related: target?.position ? [{ ...target.position, message: `'${other.name}' is created here` }] : [],
    }
  }
}

/** Lengths and spellings of text do not matter to a key, a domain is its base type; what a query makes may be of any type. */
function isSameType(a: string, b: string, { types }: Catalog): boolean {
  const plain = (type: string): string => {
    const base = types.get(type)?.base
    if (base) return plain(base)
    return /^(text|character varying)/.test(type) ? 'text' : type.replace(/\(.*\)/, '')
  }
  return a === 'unknown' || b === 'unknown' || plain(a) === plain(b)
}
