import { qualifiedName, type Catalog, type Trigger } from '../model.ts'
import { columnsNamed, type ColumnNumbers } from './column-numbers.ts'
import { commentOf, IN_USER_SCHEMA } from './fragments.ts'

/** Internal triggers (those behind foreign keys) are left out; the clones on partitions are kept. */
export const triggersQuery = `
  select n.nspname::text as schema, c.relname::text as table_name, t.tgname::text as name, t.tgtype::int as type,
    fn.nspname || '.' || f.proname as function, pg_catalog.encode(t.tgargs, 'hex') as arguments,
    case when t.tgqual is not null then pg_catalog.pg_get_triggerdef(t.oid) end as definition,
    t.tgattr::int2[] as update_columns,
    t.tgoldtable::text as old_table, t.tgnewtable::text as new_table, t.tgconstraint <> 0 as is_constraint,
    t.tgdeferrable as deferrable, t.tginitdeferred as initially_deferred,
    t.tgenabled::text as enabled,
    ${commentOf('pg_trigger', 't.oid')} as comment
  from pg_catalog.pg_trigger t
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_proc f on f.oid = t.tgfoid
    join pg_catalog.pg_namespace fn on fn.oid = f.pronamespace
  where not t.tgisinternal and ${IN_USER_SCHEMA}
  order by 1, 2, 3`

export interface TriggerRow {
  schema: string
  table_name: string
  name: string
  type: number
  function: string
  arguments: string
  definition: string | null
  update_columns: number[]
  old_table: string | null
  new_table: string | null
  is_constraint: boolean
  deferrable: boolean
  initially_deferred: boolean
  enabled: 'O' | 'A' | 'R' | 'D'
  comment: string | null
}

/** Codes of pg_trigger, pg_event_trigger and pg_rewrite. */
export const ENABLED = { O: 'origin', A: 'always', R: 'replica', D: 'disabled' } as const

export function addTriggers(catalog: Catalog, rows: TriggerRow[], numbers: ColumnNumbers): void {
  for (const row of rows) {
    const key = qualifiedName(row.schema, row.table_name)
    const trigger: Trigger = {
      name: row.name,
      timing: row.type & 2 ? 'before' : row.type & 64 ? 'instead of' : 'after',
      events: eventNames(row.type),
      level: row.type & 1 ? 'row' : 'statement',
      function: row.function,
      arguments: triggerArguments(row.arguments),
      when: row.definition === null ? null : whenClause(row.definition),
      updateColumns: columnsNamed(numbers, key, row.update_columns),
      oldTable: row.old_table,
      newTable: row.new_table,
      constraint: row.is_constraint,
      deferrable: row.deferrable,
      initiallyDeferred: row.initially_deferred,
      enabled: ENABLED[row.enabled],
      comment: row.comment,
    }
    const owner = catalog.tables.get(key) ?? catalog.views.get(key)
    owner?.triggers.set(row.name, trigger)
  }
}

/** The bits of pg_trigger.tgtype. */
function eventNames(type: number): string[] {
  const bits = { delete: 8, insert: 4, truncate: 32, update: 16 }
  return Object.entries(bits).flatMap(([event, bit]) => (type & bit ? event : []))
}

/** tgargs: each argument ended by a zero byte. */
function triggerArguments(hex: string): string[] {
  return hex === '' ? [] : Buffer.from(hex, 'hex').toString('utf8').split('\0').slice(0, -1)
}

/** pg_get_expr cannot print a condition over OLD and NEW; the trigger's definition holds it. */
function whenClause(definition: string): string | null {
  return /\bWHEN \((.*)\) EXECUTE FUNCTION /s.exec(definition)?.[1] ?? null
}
