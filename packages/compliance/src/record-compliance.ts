import { randomUUID } from 'node:crypto'
import type { Database } from '@imhotep/postgres'
import type { Verdict } from './rule.ts'
import type { ComplianceReport } from './run-compliance.ts'

/** What a person has to confirm is not recorded by a run: the person records it. */
const OUTCOMES: Readonly<Record<Verdict['verdict'], string | null>> = {
  pass: 'pass',
  fail: 'fail',
  'not applicable': 'not_applicable',
  'needs a person': null,
}

/** Keeps a report in compliance.compliance_checks, as one run over the whole database; returns how many rows it wrote. */
export async function recordCompliance(db: Database, report: ComplianceReport, toolVersion: string): Promise<number> {
  const run = randomUUID()
  const fingerprint = Buffer.from(report.fingerprint, 'hex')
  return db.transaction(async (tx) => {
    let recorded = 0
    for (const { id, family, verdict, evidence, offenders } of report.results) {
      const outcome = OUTCOMES[verdict]
      if (outcome === null) continue
      await tx.query(
        `select compliance.record_check($1, $2, $3::jsonb, $4, p_run_id => $5, p_tool_version => $6,
           p_schema_fingerprint => $7, p_ran_at => $8)`,
        [id, outcome, { evidence, offenders }, family, run, toolVersion, fingerprint, report.ranAt],
      )
      recorded += 1
    }
    return recorded
  })
}
