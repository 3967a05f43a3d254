import { hospital, makeTenants, withConnection } from '../databases.ts'
import { measure, type Case } from '../measure.ts'
import type { BenchResult, Figure } from '../report.ts'
import type { BenchOptions } from '../run.ts'

/** A day of the log, and a day of one tenant's log: the partitioned log against a plain heap and a heap with a btree. */
export async function auditRead({ server, scale }: BenchOptions): Promise<BenchResult> {
  const rows = 600_000 * scale
  const { url } = await hospital(server)
  return withConnection(url, async (db) => {
    const tenants = await makeTenants(db, 10)
    await db.script(`
      do $$ begin
        for m in 0..11 loop
          execute format('create table audit.audit_logs_bench%s partition of audit.audit_logs for values from (%L) to (%L)',
            m, date '2025-01-01' + (m || ' month')::interval, date '2025-01-01' + (m + 1 || ' month')::interval);
        end loop;
      end $$;
      create schema bench;
      create table bench.heap (like audit.audit_logs including defaults);
      create table bench.btree (like audit.audit_logs including defaults);
      set session_replication_role = replica;
      insert into audit.audit_logs (tenant_id, occurred_at, action, schema_name, table_name, row_id, new_values)
      select ('{${tenants.join()}}'::uuid[])[g % 10 + 1], timestamptz '2025-01-01' + (g::float8 / ${rows}) * interval '364 days', 'update',
        'patient', 'patients', gen_random_uuid(), jsonb_build_object('given_name', 'Given ' || g, 'status', 'active')
      from generate_series(1, ${rows}) g;
      set session_replication_role = default;
      insert into bench.heap select * from audit.audit_logs;
      insert into bench.btree select * from audit.audit_logs;
      create index on bench.btree (tenant_id, occurred_at);
      create index on bench.btree (occurred_at);`)
    for (const table of ['audit.audit_logs', 'bench.heap', 'bench.btree']) await db.query(`vacuum analyze ${table}`)

    const windows = {
      'a day, all tenants': `occurred_at >= '2025-06-10' and occurred_at < '2025-06-11'`,
      'a day, one tenant': `tenant_id = '${tenants[3]}' and occurred_at >= '2025-06-10' and occurred_at < '2025-06-11'`,
    }
    const figures: Figure[] = []
    const measured = []
    for (const [name, condition] of Object.entries(windows)) {
      const cases = ['audit.audit_logs', 'bench.heap', 'bench.btree'].map(
        (table): Case => ({
          name: `${name}: ${table}`,
          run: async () => {
            for (let times = 0; times < 3; times++)
              await db.query(`select count(*), max(pg_column_size(new_values)) from ${table} where ${condition}`)
          },
        }),
      )
      const [log, heap, btree] = await measure(cases, 7)
      if (!log || !heap || !btree) continue
      measured.push(log, heap, btree)
      figures.push(
        { name: `${name}: plain heap / log`, value: heap.wallMs / log.wallMs, unit: 'x', goal: '>= 10' },
        { name: `${name}: heap with btree / log`, value: btree.wallMs / log.wallMs, unit: 'x' },
      )
    }
    return {
      bench: 'audit-read',
      measured,
      figures,
      skipped: ['storage after packing: archives of old partitions are not built yet'],
      setting: { rows, tenants: 10, months: 12 },
    }
  })
}
