import { defaultTopologyOptions } from '@imhotep/engine'
import type { Connection } from '@imhotep/postgres'
import type { KeptTable } from '../plan/split-plan.ts'
import { inTransaction, withSession } from '../postgres/session.ts'

const columns = 'tenant_id, entity_type, entity_id, lifecycle, attrs, source_service, source_version'
const { refsTable } = defaultTopologyOptions

/**
 * Brings what a service keeps of others' rows to what their owners hold now, and returns how many rows that changed. Rows
 * that an event has told of are younger than any look at the tables: they stay.
 */
export async function refreshProjections(
  readerUrl: string,
  keeps: readonly KeptTable[],
  urlOf: (owner: string) => string,
): Promise<number> {
  if (keeps.length === 0) return 0
  return withSession(readerUrl, (reader) =>
    inTransaction(reader, async () => {
      // One at a time: an older look must not undo a younger one.
      await reader.script(
        `set local session_replication_role = replica;
         select pg_advisory_xact_lock(hashtext('imhotep_split projections'));
         create temporary table imhotep_projections on commit drop as select ${columns} from ${refsTable} with no data`,
      )
      for (const owner of new Set(keeps.map((kept) => kept.owner))) {
        const fills = keeps.filter((kept) => kept.owner === owner).map(({ fill }) => fill)
        await withSession(urlOf(owner), async (source) => {
          await reader.copyFrom(
            `copy pg_temp.imhotep_projections (${columns}) from stdin`,
            source.copyTo(`copy (${fills.join(' union all ')}) to stdout`),
          )
        })
      }
      return merge(
        reader,
        keeps.map(({ table }) => table),
      )
    }),
  )
}

async function merge(reader: Connection, types: readonly string[]): Promise<number> {
  await reader.script('analyze pg_temp.imhotep_projections')
  const [row] = await reader.query<{ rows: number }>(
    `with told as (
       insert into ${refsTable} as r (${columns}) select ${columns} from pg_temp.imhotep_projections
       on conflict (tenant_id, entity_type, entity_id) do update
         set lifecycle = excluded.lifecycle, attrs = excluded.attrs, row_version = r.row_version + 1,
             refreshed_at = now(), updated_at = now()
         where r.source_version = 0 and (r.lifecycle, r.attrs) is distinct from (excluded.lifecycle, excluded.attrs)
       returning 1),
     gone as (
       update ${refsTable} r
          set lifecycle = 'deleted', attrs = '{}', row_version = r.row_version + 1, refreshed_at = now(), updated_at = now()
        where r.entity_type = any ($1) and r.source_version = 0 and r.lifecycle <> 'deleted'
          and not exists (select from pg_temp.imhotep_projections p
                           where (p.tenant_id, p.entity_type, p.entity_id) = (r.tenant_id, r.entity_type, r.entity_id))
       returning 1)
     select ((select count(*) from told) + (select count(*) from gone))::int as rows`,
    [types],
  )
  return row?.rows ?? 0
}
