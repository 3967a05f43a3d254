import { defaultPolicy, makeContext, runRules, verifyRules, type Catalog } from '@imhotep/engine'
import type { Transaction } from '@imhotep/postgres'
import type { Inspection } from './inspection.ts'
import type { ComplianceReport, RuleResult } from './run-compliance.ts'

/** An inspection of a catalog alone: who asks the database in it fails. */
export function inspectionOf(catalog: Catalog): Inspection {
  const context = makeContext(catalog, defaultPolicy)
  return {
    tx: { query: () => Promise.reject(new Error('a catalogue check asked the database')) },
    catalog,
    context,
    findings: runRules(verifyRules, context).findings,
    tenants: [],
    tables: context.tables.filter(({ partitionOf }) => partitionOf === null),
  }
}

/** An inspection of rows: for checks that ask the database for the tenants and read no catalog. */
export function inspectionOfRows(tx: Transaction, catalog: Catalog, tenants: readonly string[]): Inspection {
  return { ...inspectionOf(catalog), tx, tenants }
}

/** A report of one rule, changed by `result`. */
export function reportOf(result: Partial<RuleResult>): ComplianceReport {
  const whole: RuleResult = {
    id: 'COR-01',
    family: 'foundation',
    source: 'H8',
    rule: 'every tenant table has tenant_id',
    kind: 'catalogue',
    verdict: 'pass',
    evidence: '3 tenant tables',
    offenders: [],
    unconfirmedClause: false,
    ...result,
  }
  const counts = { pass: 0, fail: 0, 'not applicable': 0, 'needs a person': 0, [whole.verdict]: 1 }
  return {
    fingerprint: 'abcdef0123456789abcdef0123456789',
    ranAt: new Date('2026-02-03T04:05:06Z'),
    results: [whole],
    counts: { [whole.family]: counts },
    ms: 12,
  }
}
