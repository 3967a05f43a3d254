import { packAuditLogs } from '@imhotep/kernel'
import { connect } from '@imhotep/postgres'
import { fillAuditMonth } from '../audit-rows.ts'
import { hospital, makeTenants, withConnection } from '../databases.ts'
import { measure, type Case } from '../measure.ts'
import type { BenchResult, Figure } from '../report.ts'
import type { BenchOptions } from '../run.ts'

/**
 * A day of the log, and a day of one tenant's log: the partitioned log against a plain heap and a heap with a btree.
 * And what a month takes on disk before and after it is packed.
 */
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
      const cases = ['audit.audit_logs', 'bench.heap', 'bench.btree'].map((table): Case => ({
        name: `${name}: ${table}`,
        run: async () => {
          for (let times = 0; times < 3; times++)
            await db.query(`select count(*), max(pg_column_size(new_values)) from ${table} where ${condition}`)
        },
      }))
      const [log, heap, btree] = await measure(cases, 7)
      if (!log || !heap || !btree) continue
      measured.push(log, heap, btree)
      figures.push(
        { name: `${name}: plain heap / log`, value: heap.wallMs / log.wallMs, unit: 'x', goal: '>= 10' },
        { name: `${name}: heap with btree / log`, value: btree.wallMs / log.wallMs, unit: 'x' },
      )
    }
    figures.push(...(await packedMonth(server, 100_000 * scale)))
    return {
      bench: 'audit-read',
      measured,
      figures,
      skipped: [],
      setting: { rows, tenants: 10, months: 12, packedRows: 100_000 * scale, packedTenants: 4 },
    }
  })
}

/** Packs a month of everyday rows: storage with indexes, speed, and one tenant's day read from either. */
async function packedMonth(server: string, rows: number): Promise<Figure[]> {
  const { url } = await hospital(server)
  return withConnection(url, async (connection) => {
    const tenants = await makeTenants(connection, 4)
    await connection.script(`
      create table audit.audit_logs_y2024m06 partition of audit.audit_logs for values from ('2024-06-01Z') to ('2024-07-01Z');
      select core.protect_partition('audit.audit_logs_y2024m06', 'audit.audit_logs');
      ${fillAuditMonth('2024-06', tenants, rows)}`)
    await connection.query('vacuum analyze audit.audit_logs_y2024m06')
    await connection.query(`set app.tenant_id = '${tenants[0]}'`)
    const size = async (table: string) => {
      const [row] = await connection.query<{ bytes: number }>('select pg_total_relation_size($1::regclass) as bytes', [
        table,
      ])
      return row?.bytes ?? Number.NaN
    }
    const readDay = async () => {
      const start = performance.now()
      for (let times = 0; times < 5; times++)
        await connection.query(
          `select count(*) from audit.get_audit_logs_time_range('2024-06-10Z', '2024-06-11Z', null, null, 100000)`,
        )
      return performance.now() - start
    }
    const before = await size('audit.audit_logs_y2024m06')
    await readDay()
    const fromLog = await readDay()

    const db = connect(url)
    const start = performance.now()
    await packAuditLogs(db)
    const seconds = (performance.now() - start) / 1000
    await db.close()

    const afterwards = await size('audit.audit_archives_y2024m06')
    await readDay()
    const fromArchives = await readDay()
    return [
      { name: 'storage after packing: % less', value: 100 * (1 - afterwards / before), unit: '%', goal: '>= 85' },
      { name: 'rows packed (sealed, compressed, read back)', value: rows / seconds, unit: '/s' },
      { name: 'a day, one tenant: from archives / from log', value: fromArchives / fromLog, unit: 'x' },
    ]
  })
}
