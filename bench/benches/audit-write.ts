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
        sides.push({ name, connection, tenant, clinic })
      }
      const figures: Figure[] = []
      const measured = []
      for (const work of ['bulk insert', 'single insert', 'single update'] as const) {
        const cases = sides.map(({ name, connection, tenant, clinic }): Case => {
          const columns = `insert into patient.patients (tenant_id, mrn, given_name, family_name, name_phonetic, sex, registered_clinic_id)`
          const statements = {
            'bulk insert': {
              text: `${columns} select '${tenant}', 'B' || g, 'Given', 'Family', 'FML', 'female', '${clinic}' from generate_series(1, ${bulk}) g`,
              times: 1,
            },
            'single insert': {
              text: `${columns} values ('${tenant}', 'S' || i, 'Given', 'Family', 'FML', 'female', '${clinic}')`,
              times: single,
            },
            'single update': {
              text: `update patient.patients set given_name = 'Given ' || i where tenant_id = '${tenant}' and mrn = 'U' || i % 100`,
              times: single,
            },
          }
          const { text, times } = statements[work]
          return {
            name: `${work}: ${name}`,
            backend: connection.pid,
            run: () => repeatInBackend(connection, text, times),
            after: async () =>
              void (await connection.query(`truncate patient.patients cascade`)).concat(
                await connection.query(
                  `${columns} select '${tenant}', 'U' || g, 'Given', 'Family', 'FML', 'female', '${clinic}' from generate_series(0, 99) g`,
                ),
              ),
          }
        })
        for (const one of cases) await one.after?.()
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
      return { bench: 'audit-write', measured, figures, skipped: [], setting: { bulkRows: bulk, singleRows: single } }
    }),
  )
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
