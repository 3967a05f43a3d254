import { hospital, makeTenants, withConnection } from '../databases.ts'
import { measure, prepareRepeat, repeatInBackend, type Case } from '../measure.ts'
import type { BenchResult, Figure } from '../report.ts'
import type { BenchOptions } from '../run.ts'

/** What the audit triggers cost: patient.patients as it is against the same table with its audit triggers dropped. */
export async function auditWrite({ server, scale }: BenchOptions): Promise<BenchResult> {
  const tracked = await hospital(server)
  const untracked = await hospital(server)
  const bulk = 5_000 * scale
  const single = 2_000
  const present = 20_000
  return withConnection(tracked.url, (first) =>
    withConnection(untracked.url, async (second) => {
      const sides = []
      for (const [name, connection] of [
        ['tracked', first],
        ['untracked', second],
      ] as const) {
        const [tenant = ''] = await makeTenants(connection, 1)
        const clinic = await makeClinic(connection, tenant)
        await prepareRepeat(connection)
        if (name === 'untracked')
          for (const operation of ['insert', 'update', 'delete'])
            await connection.query(`drop trigger audit_${operation} on patient.patients`)
        await connection.query(`set app.tenant_id = '${tenant}'`)
        // A hospital that works. Without statistics a session looks foreign keys up by whatever index comes first.
        await connection.query(`${columns} ${patients(tenant, clinic, 'A', 1_000)}`)
        await connection.script('analyze')
        await connection.query(`${columns} ${patients(tenant, clinic, 'U', present)}`)
        await connection.script('vacuum analyze')
        sides.push({ name, connection, tenant, clinic })
      }
      const figures: Figure[] = []
      const measured = []
      for (const work of ['bulk insert', 'single insert', 'single update'] as const) {
        const cases = sides.map(({ name, connection, tenant, clinic }): Case => {
          const statements = {
            'bulk insert': {
              text: `${columns} ${patients(tenant, clinic, 'B', bulk)}`,
              times: 1,
            },
            'single insert': {
              text: `${columns} values ('${tenant}', 'S' || i, 'Given ' || i, 'Family ' || i, 'FML', 'female', '${clinic}')`,
              times: single,
            },
            'single update': {
              text: `update patient.patients set given_name = 'Given ' || i where tenant_id = '${tenant}' and mrn = 'U' || i and deleted_at is null`,
              times: single,
            },
          }
          const { text, times } = statements[work]
          return {
            name: `${work}: ${name}`,
            backend: connection.pid,
            run: async () => {
              await connection.script('begin')
              await repeatInBackend(connection, text, times)
            },
            after: () => connection.script('rollback'),
          }
        })
        const [ours, theirs] = await measure(cases, 7)
        if (!ours || !theirs) continue
        measured.push(ours, theirs)
        figures.push({
          name: `${work}: tracked / untracked`,
          value: (ours.cpuMs ?? 0) / (theirs.cpuMs ?? 1),
          unit: 'x',
          goal: work === 'bulk insert' ? '<= 2' : '<= 1.6',
        })
      }
      return {
        bench: 'audit-write',
        measured,
        figures,
        skipped: [],
        setting: { bulkRows: bulk, singleRows: single, presentRows: present },
      }
    }),
  )
}

const columns = `insert into patient.patients (tenant_id, mrn, given_name, family_name, name_phonetic, sex, registered_clinic_id)`

/** Rows for these columns. */
function patients(tenant: string, clinic: string, prefix: string, count: number): string {
  return `select '${tenant}', '${prefix}' || g, 'Given ' || g, 'Family ' || g, 'FML', 'female', '${clinic}' from generate_series(1, ${count}) g`
}

async function makeClinic(
  connection: { query<T>(sql: string, params?: unknown[]): Promise<T[]> },
  tenant: string,
): Promise<string> {
  await connection.query(`set app.tenant_id = '${tenant}'`)
  const [clinic] = await connection.query<{ id: string }>(
    `insert into facility.clinics (tenant_id, code, name, kind, address, country, timezone, pin_code)
     values ($1, 'B1', 'Bench', 'clinic', '{}', 'IN', 'Asia/Kolkata', '110001') returning id`,
    [tenant],
  )
  return clinic?.id ?? ''
}
