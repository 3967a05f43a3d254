import { hospital, makeTenants, withConnection } from '../databases.ts'
import type { Connection } from '@imhotep/postgres'
import { measure, type Case } from '../measure.ts'
import type { BenchResult, Figure } from '../report.ts'
import type { BenchOptions } from '../run.ts'

/** Queries as an application sends them (RLS alone) and with the tenant written out, for a role that bypasses RLS. */
const queries = [
  {
    name: 'point',
    times: 1_000,
    under: 'select * from patient.patients where id = $1',
    explicit: 'select * from patient.patients where id = $1 and tenant_id = $2',
    params: ['id'],
    goal: '<= 1.1',
  },
  {
    name: 'list',
    times: 400,
    under:
      "select id, given_name, family_name from patient.patients where family_name_lc ~>=~ 'family 1' and family_name_lc ~<~ 'family 2' order by family_name_lc using ~<~ limit 50",
    explicit:
      "select id, given_name, family_name from patient.patients where family_name_lc ~>=~ 'family 1' and family_name_lc ~<~ 'family 2' and tenant_id = $1 order by family_name_lc using ~<~ limit 50",
    params: [],
    goal: '<= 1.1',
  },
  {
    name: 'count',
    times: 40,
    under: "select count(*) from patient.patients where status = 'active'",
    explicit: "select count(*) from patient.patients where status = 'active' and tenant_id = $1",
    params: [],
    goal: '<= 1.1',
  },
] as const

/** Part of a name: the hashed trigrams against what a developer writes first. */
const search = {
  name: 'part of a name: patient.search / ilike',
  times: 20,
  under: `select * from patient.search('ily 42')`,
  explicit: `select id, mrn, given_name, family_name, sex, birth_date, status from patient.patients
    where concat_ws(' ', given_name, middle_name, family_name) ilike '%ily 42%' and deleted_at is null and tenant_id = $1
    order by family_name_lc, given_name_lc, id limit 20`,
  params: [],
  goal: '<= 1',
} as const

/** What row-level security costs beside an explicit WHERE. */
export async function rls({ server, scale }: BenchOptions): Promise<BenchResult> {
  const tenantCount = 10
  const rowsPerTenant = 10_000 * scale
  const { url } = await hospital(server)
  return withConnection(url, async (admin) => {
    const tenants = await makeTenants(admin, tenantCount)
    await admin.script(`
      set session_replication_role = replica;
      insert into patient.patients (tenant_id, mrn, given_name, family_name, name_phonetic, sex, registered_clinic_id)
      select t, 'M' || g, 'Given ' || g % 500, 'Family ' || g % 997, 'F' || g % 97, 'female', core.zero_uuid()
      from unnest('{${tenants.join()}}'::uuid[]) t, generate_series(1, ${rowsPerTenant}) g;
      set session_replication_role = default;
      insert into patient.name_trigrams (tenant_id, trigram, patient_id)
      select p.tenant_id, patient.hash_trigram(p.tenant_id, t), p.id
      from patient.patients p,
        unnest(patient.trigrams_of(patient.searchable_name(concat_ws(' ', p.given_name, p.family_name)))) as t;
      create role bench_bypass bypassrls; grant select on patient.patients to bench_bypass;
      grant usage on schema patient, core to bench_bypass`)
    await admin.query('vacuum analyze patient.patients')
    await admin.query('vacuum analyze patient.name_trigrams')

    const tenant = tenants[4] ?? ''
    // One backend for both, so that neither has the better core; it changes the role before each round.
    return withConnection(url, async (connection) => {
      const [someone] = await admin.query<{ id: string }>(
        'select id from patient.patients where tenant_id = $1 limit 1',
        [tenant],
      )
      await connection.script(`set app.tenant_id = '${tenant}'`)
      const figures: Figure[] = []
      const measured = []
      for (const { name, times, under, explicit, params, goal } of [...queries, search]) {
        const given = params.map(() => someone?.id)
        const cases: Case[] = [
          {
            name: `${name}: RLS`,
            backend: connection.pid,
            run: () => repeat(connection, 'imhotep_app', under, given, times),
          },
          {
            name: `${name}: explicit WHERE, BYPASSRLS`,
            backend: connection.pid,
            run: () => repeat(connection, 'bench_bypass', explicit, [...given, tenant], times),
          },
        ]
        const [ours, theirs] = await measure(cases, 61)
        if (!ours || !theirs) continue
        measured.push(ours, theirs)
        figures.push({
          name: `${name}: RLS / explicit`,
          value: (ours.cpuMs ?? 0) / (theirs.cpuMs ?? 1),
          unit: 'x',
          goal,
        })
      }
      return {
        bench: 'rls',
        measured,
        figures,
        skipped: [],
        setting: { tenants: tenantCount, rowsPerTenant },
      }
    })
  })
}

/** The statement is prepared once by the driver and sent many times, each after the answer to the one before, as requests are. */
async function repeat(
  connection: Connection,
  role: string,
  sql: string,
  params: readonly unknown[],
  times: number,
): Promise<void> {
  await connection.script(`set role ${role}`)
  for (let sent = 0; sent < times; sent++) await connection.query(sql, params)
}
