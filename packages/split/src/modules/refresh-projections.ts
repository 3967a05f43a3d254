import { defaultTopologyOptions } from '@imhotep/engine'
import type { Connection } from '@imhotep/postgres'
import type { KeptTable } from '../plan/split-plan.ts'
import { inTransaction, withSession } from '../postgres/session.ts'
import { literal } from '../postgres/sql-text.ts'
import type { ChangedRow } from './changed-rows.ts'

const columns = 'tenant_id, entity_type, entity_id, lifecycle, attrs, source_service, source_version'
const { refsTable } = defaultTopologyOptions

export interface LookOptions {
  /** Looks at these rows only. */
  readonly changed?: readonly ChangedRow[]
  /** Looks at the rows of these tenants only. */
  readonly tenants?: readonly string[]
  /** What events told of these tables counts no more: some of them may never have been heard. */
  readonly startsOver?: boolean
  /**
   * The owners are back in the shared database: what their events told counts no more, and the next ones may come from
   * another database, whose order begins anew. Without any such row nothing is looked at.
   */
  readonly isReturn?: boolean
}

/**
 * Brings what a service keeps of others' rows to what their owners hold now, and returns how many rows that changed. Rows
 * that an event has told of are younger than any look at the tables: they stay.
 */
export async function refreshProjections(
  readerUrl: string,
  keeps: readonly KeptTable[],
  urlOf: (owner: string) => string,
  { startsOver = false, isReturn = false, ...limits }: LookOptions = {},
): Promise<number> {
  const concerned = keeps.filter(({ table }) => limits.changed?.some((row) => row.table === table) ?? true)
  if (concerned.length === 0) return 0
  return withSession(readerUrl, (reader) =>
    inTransaction(reader, async () => {
      // One at a time: an older look must not undo a younger one.
      await reader.script(
        `set local session_replication_role = replica;
         select pg_advisory_xact_lock(hashtext('imhotep_split projections'));
         create temporary table imhotep_projections on commit drop as select ${columns} from ${refsTable} with no data`,
      )
      const forgotten = startsOver || isReturn ? await forgetEvents(reader, concerned) : 0
      if (isReturn && forgotten === 0) return 0
      for (const owner of new Set(concerned.map((kept) => kept.owner))) {
        const looks = concerned.filter((kept) => kept.owner === owner).map((kept) => lookAt(kept, limits))
        await withSession(urlOf(owner), async (source) => {
          await reader.copyFrom(
            `copy pg_temp.imhotep_projections (${columns}) from stdin`,
            source.copyTo(`copy (${looks.join(' union all ')}) to stdout`),
          )
        })
      }
      return merge(reader, scopeOf(concerned, limits))
    }),
  )
}

async function forgetEvents(reader: Connection, keeps: readonly KeptTable[]): Promise<number> {
  const [row] = await reader.query<{ rows: number }>(
    `with forgotten as (
       update ${refsTable} set source_version = 0 where entity_type = any ($1) and source_version > 0 returning 1)
     select count(*)::int as rows from forgotten`,
    [keeps.map(({ table }) => table)],
  )
  return row?.rows ?? 0
}

/** What of the owners' tables is looked at: rows, or tenants, or all. */
type Limits = Pick<LookOptions, 'changed' | 'tenants'>

function lookAt({ table, fill }: KeptTable, { changed, tenants }: Limits): string {
  if (tenants) return `select * from (${fill}) f where f.tenant_id in (${tenants.map(uuid).join(', ')})`
  if (!changed) return fill
  const keys = changed.filter((row) => row.table === table).map(({ tenant, row }) => `(${uuid(tenant)}, ${uuid(row)})`)
  return `select * from (${fill}) f where (f.tenant_id, f.entity_id) in (values ${keys.join(', ')})`
}

/** The same, as a condition on rows `r` of the projections. */
function scopeOf(looked: readonly KeptTable[], { changed, tenants }: Limits): string {
  const tables = looked.map(({ table }) => table)
  const inTables = `r.entity_type in (${tables.map(literal).join(', ')})`
  if (tenants) return `${inTables} and r.tenant_id in (${tenants.map(uuid).join(', ')})`
  if (!changed) return inTables
  const keys = changed
    .filter(({ table }) => tables.includes(table))
    .map(({ tenant, table, row }) => `(${uuid(tenant)}, ${literal(table)}, ${uuid(row)})`)
  return `(r.tenant_id, r.entity_type, r.entity_id) in (values ${keys.join(', ')})`
}

const uuid = (text: string) => `${literal(text)}::uuid`

/** A row that is as it was is not touched: not even locked, which would write to the log of the server. */
async function merge(reader: Connection, scope: string): Promise<number> {
  await reader.script('analyze pg_temp.imhotep_projections')
  const [row] = await reader.query<{ rows: number }>(
    `with told as (
       insert into ${refsTable} as r (${columns}) select ${columns} from pg_temp.imhotep_projections p
        where not exists (select from ${refsTable} k
                           where (k.tenant_id, k.entity_type, k.entity_id) = (p.tenant_id, p.entity_type, p.entity_id)
                             and (k.source_version > 0 or (k.lifecycle, k.attrs) is not distinct from (p.lifecycle, p.attrs)))
       on conflict (tenant_id, entity_type, entity_id) do update
         set lifecycle = excluded.lifecycle, attrs = excluded.attrs, row_version = r.row_version + 1,
             refreshed_at = now(), updated_at = now()
         where r.source_version = 0 and (r.lifecycle, r.attrs) is distinct from (excluded.lifecycle, excluded.attrs)
       returning 1),
     gone as (
       update ${refsTable} r
          set lifecycle = 'deleted', attrs = '{}', row_version = r.row_version + 1, refreshed_at = now(), updated_at = now()
        where ${scope} and r.source_version = 0 and r.lifecycle <> 'deleted'
          and not exists (select from pg_temp.imhotep_projections p
                           where (p.tenant_id, p.entity_type, p.entity_id) = (r.tenant_id, r.entity_type, r.entity_id))
       returning 1)
     select ((select count(*) from told) + (select count(*) from gone))::int as rows`,
  )
  return row?.rows ?? 0
}
