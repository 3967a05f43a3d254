import type { Index, IndexKey, Table } from '../../catalog/model.ts'
import { nameOf, tenantColumnOf, type VerifyContext } from '../context.ts'
import { defineRule } from '../rule.ts'

/** Types whose btree comparison PostgreSQL marks leakproof; the planner may use only those before the policy has run. */
const leakproof = new Set([
  'bigint',
  'integer',
  'smallint',
  'oid',
  'boolean',
  'text',
  'character varying',
  'character',
  'name',
  '"char"',
  'uuid',
  'bytea',
  'date',
  'interval',
  'time without time zone',
  'time with time zone',
  'timestamp with time zone',
  'timestamp without time zone',
  'inet',
  'cidr',
  'macaddr',
  'macaddr8',
  'real',
  'double precision',
  'money',
  'bit',
  'bit varying',
  'pg_lsn',
  'tid',
  'xid8',
])

export const uselessIndexUnderRls = defineRule<{ table: Table; index: Index }>({
  id: 'useless-index-under-rls',
  family: 'tenancy',
  severity: 'warning',
  effect: 'The operator is not leakproof, so under row level security the planner reads the whole table instead.',
  instead:
    'Text with a check instead of an enum, a partial index for each live state, a stored lower-case column with ' +
    'text_pattern_ops; say in a comment on the index when a search function or a constraint needs it as it is.',
  *subjects(context) {
    for (const table of context.tenantTables) {
      if (table.partitionOf !== null) continue
      for (const index of table.indexes.values()) if (!index.fromConstraint && !index.unique) yield { table, index }
    }
  },
  *check({ table, index }, context) {
    if (index.comment !== null || index.method === 'brin') return
    const first = index.keys.find((key) => key.column !== tenantColumnOf(table, context))
    const flaw =
      index.method === 'btree' || index.method === 'hash' ? first && flawOf(first, table, context) : index.method
    if (!flaw) return
    yield {
      object: nameOf(table),
      message: `index ${index.name} of ${nameOf(table)} cannot be used under row level security: ${flaw}`,
      position: index.position ?? table.position,
    }
  },
})

function flawOf(key: IndexKey, table: Table, context: VerifyContext): string | null {
  // ~<~ and ~>=~ are leakproof, LIKE is not: callers compute the bounds.
  if (key.expression !== null) return `it is on the expression ${key.expression}`
  const type = baseType(table.columns.get(key.column ?? '')?.type ?? 'text', context)
  return leakproof.has(type) ? null : `${key.column} is ${type}`
}

function baseType(type: string, context: VerifyContext): string {
  const domain = context.catalog.types.get(type)
  if (domain?.kind === 'domain' && domain.base) return baseType(domain.base, context)
  return type.replace(/\([\d,\s]+\)/, '')
}
