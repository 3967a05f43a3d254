import type { Catalog } from '../model.ts'
import { commentOf, notOfExtension } from './fragments.ts'
import { ENABLED } from './triggers.ts'

export const eventTriggersQuery = `
  select t.evtname::text as name, t.evtevent::text as event, coalesce(pg_catalog.to_json(t.evttags), '[]') as tags,
    n.nspname || '.' || p.proname as function, t.evtenabled::text as enabled,
    ${commentOf('pg_event_trigger', 't.oid')} as comment, pg_catalog.pg_get_userbyid(t.evtowner)::text as owner
  from pg_catalog.pg_event_trigger t
    join pg_catalog.pg_proc p on p.oid = t.evtfoid
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where ${notOfExtension('pg_event_trigger', 't.oid')}
  order by t.evtname`

export interface EventTriggerRow {
  name: string
  event: string
  tags: string[]
  function: string
  enabled: keyof typeof ENABLED
  comment: string | null
  owner: string
}

export function addEventTriggers(catalog: Catalog, rows: EventTriggerRow[]): void {
  for (const { tags, enabled, ...row } of rows) {
    const sorted = tags.map((tag) => tag.toLowerCase()).toSorted()
    catalog.eventTriggers.set(row.name, { ...row, tags: sorted, enabled: ENABLED[enabled] })
  }
}
