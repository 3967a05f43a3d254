import { quoteIdentifier } from '../../bundle/quote.ts'
import type { Table } from '../../catalog/model.ts'
import { nameOf } from '../../verify/context.ts'
import { matchesName } from '../../verify/match-name.ts'
import { add, describeColumn, type Drafting } from './addition.ts'
import { recordFunction, touchFunction } from './kernel.ts'
import { quoteKey } from '../../print/sql-text.ts'
import { hasParent, isAudited } from './scope.ts'

/** Who made and changed a row, and a line in the log for every change of it. */
export function addAudit(draft: Drafting): void {
  for (const table of draft.catalog.tables.values()) {
    if (table.partitionOf !== null || !isAudited(table, draft)) continue
    addColumns(table, draft)
    addTriggers(table, draft)
  }
}

const COLUMNS = {
  created_at: ['timestamptz not null default now()', 'When the row was made.'],
  created_by: [`text default nullif(current_setting('app.user_id', true), '')`, 'Who made the row.'],
  updated_at: ['timestamptz not null default now()', 'When the row was changed last.'],
  updated_by: ['text', 'Who changed the row last.'],
} as const

function addColumns(table: Table, draft: Drafting): void {
  const name = nameOf(table)
  const missing = hasParent(table, draft)
    ? []
    : Object.entries(COLUMNS).filter(([column]) => !table.columns.has(column))
  for (const [column, [type, about]] of missing) {
    add(
      draft,
      'audit-coverage',
      `column ${name}.${column}`,
      `alter table ${quoteKey(name)} add column ${quoteIdentifier(column)} ${type}`,
    )
    describeColumn(draft, name, column, about)
  }
  const touched = ['updated_at', 'updated_by'].map((column) => (table.columns.has(column) ? '' : column))
  if (touched.every((column) => column === '') || table.triggers.has('touch_row')) return
  add(
    draft,
    'audit-coverage',
    `trigger touch_row on ${name}`,
    `create trigger touch_row before update on ${quoteKey(name)} for each row execute function ${quoteKey(touchFunction(draft.policy))}(${touched.map((column) => `'${column}'`).join(', ')})`,
  )
}

function addTriggers(table: Table, draft: Drafting): void {
  const name = nameOf(table)
  for (const [trigger, event] of Object.entries(draft.policy.auditTriggers)) {
    if (table.triggers.has(trigger) || isRecorded(table, event, draft)) continue
    add(
      draft,
      'audit-coverage',
      `trigger ${trigger} on ${name}`,
      `create trigger ${quoteIdentifier(trigger)} after ${event} on ${quoteKey(name)} for each row execute function ${quoteKey(recordFunction(draft.policy))}()`,
    )
  }
}

/** A schema may have an audit log of its own. */
function isRecorded(table: Table, event: string, { policy }: Drafting): boolean {
  return [...table.triggers.values()].some(
    (trigger) =>
      trigger.timing === 'after' &&
      trigger.events.includes(event) &&
      policy.auditFunctions.some((pattern) => matchesName(pattern, trigger.function)),
  )
}
