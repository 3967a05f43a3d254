import type { Database, Transaction } from '@imhotep/postgres'
import { openInspection, trial, type Inspection } from './inspection.ts'
import { fail, type ComplianceRule, type RuleFamily, type Verdict } from './rule.ts'
import { ruleFamilies } from './rules/index.ts'

export interface ComplianceOptions {
  /** Names of families. Default: all. */
  readonly families?: readonly string[] | undefined
  /** Ids of rules, of the chosen families. Default: all. */
  readonly rules?: readonly string[] | undefined
  readonly onProgress?: (text: string) => void
}

export interface RuleResult {
  readonly id: string
  readonly family: string
  readonly source: string
  readonly rule: string
  readonly kind: ComplianceRule['kind']
  readonly verdict: Verdict['verdict']
  /** What was looked at, or why nothing could be. */
  readonly evidence: string
  readonly offenders: readonly string[]
  /** The clause number was not compared with the text of the law or standard. */
  readonly unconfirmedClause: boolean
}

export interface ComplianceReport {
  /** SHA-256 over the definitions of the schema: the same schema has the same fingerprint. */
  readonly fingerprint: string
  readonly ranAt: Date
  readonly results: readonly RuleResult[]
  readonly counts: Readonly<Record<string, VerdictCounts>>
  readonly ms: number
}

export type VerdictCounts = Readonly<Record<Verdict['verdict'], number>>

/** Thrown to take the transaction of a run back. */
class Undo extends Error {}

/**
 * Checks the rules of the chosen families. All of it, probes included, happens in one transaction that is rolled back.
 * @throws InspectionNotPossibleError for a role that is no superuser
 */
export async function runCompliance(db: Database, options: ComplianceOptions = {}): Promise<ComplianceReport> {
  let report: ComplianceReport | undefined
  try {
    await db.transaction(
      async (tx) => {
        report = await runComplianceInside(tx, options)
        throw new Undo()
      },
      { isolation: 'repeatable read', retries: 0 },
    )
  } catch (error) {
    if (!(error instanceof Undo)) throw error
  }
  if (!report) throw new Error('the run ended without a report')
  return report
}

/** The same inside an open transaction, which sees what it has changed itself and is left as it was found. */
export async function runComplianceInside(tx: Transaction, options: ComplianceOptions = {}): Promise<ComplianceReport> {
  const started = performance.now()
  const results = await checkRules(await openInspection(tx), options)
  return {
    fingerprint: await fingerprintOf(tx),
    ranAt: new Date(),
    results,
    counts: countVerdicts(results),
    ms: Math.round(performance.now() - started),
  }
}

/** What the chosen rules say, one after the other. */
export async function checkRules(inspection: Inspection, options: ComplianceOptions): Promise<RuleResult[]> {
  const { families = ruleFamilies.map(({ name }) => name), rules, onProgress = () => {} } = options
  const results: RuleResult[] = []
  for (const family of ruleFamilies.filter(({ name }) => families.includes(name))) {
    for (const rule of family.rules) {
      if (rules && !rules.includes(rule.id)) continue
      onProgress(`${rule.id} ${rule.rule}`)
      const verdict = await trial(inspection, () => answerOf(rule, inspection))
      results.push(toResult(family, rule, verdict))
    }
  }
  return results
}

/** True when no rule failed. */
export function isCompliant({ results }: ComplianceReport): boolean {
  return results.every(({ verdict }) => verdict !== 'fail')
}

/** A check that cannot run is no pass: the objects it needs are missing or changed. */
async function answerOf(rule: ComplianceRule, inspection: Inspection): Promise<Verdict> {
  try {
    return await trial(inspection, async () => rule.check(inspection))
  } catch (error) {
    return fail(`the check could not run: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function toResult(family: RuleFamily, { id, source, rule, kind }: ComplianceRule, answer: Verdict): RuleResult {
  return {
    id,
    family: family.name,
    source,
    rule,
    kind,
    verdict: answer.verdict,
    evidence: 'evidence' in answer ? answer.evidence : answer.reason,
    offenders: answer.verdict === 'fail' ? answer.offenders : [],
    unconfirmedClause: family.unconfirmedClauses,
  }
}

function countVerdicts(results: readonly RuleResult[]): Record<string, VerdictCounts> {
  const counts: Record<string, Record<Verdict['verdict'], number>> = {}
  for (const { family, verdict } of results) {
    const of = (counts[family] ??= { pass: 0, fail: 0, 'not applicable': 0, 'needs a person': 0 })
    of[verdict] += 1
  }
  return counts
}

async function fingerprintOf(tx: Transaction): Promise<string> {
  const [row] = await tx.query<{ fingerprint: string }>(fingerprintQuery)
  return row?.fingerprint ?? ''
}

const fingerprintQuery = `
select encode(sha256(convert_to(string_agg(line, e'\\n' order by line collate "C"), 'UTF8')), 'hex') as fingerprint
from (
  select 'column ' || a.attrelid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull::text as line
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p') and not c.relispartition
  join pg_namespace n on n.oid = c.relnamespace and n.nspname !~ '^(pg_|information_schema|public)'
  where a.attnum > 0 and not a.attisdropped
  union all
  select 'constraint ' || c.conrelid::regclass || '.' || c.conname || ' ' || pg_get_constraintdef(c.oid)
  from pg_constraint c
  join pg_class t on t.oid = c.conrelid and not t.relispartition
  union all
  select 'policy ' || p.polrelid::regclass || '.' || p.polname || ' ' || coalesce(pg_get_expr(p.polqual, p.polrelid), '')
  from pg_policy p
  union all
  select 'trigger ' || pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
  from pg_trigger t
  join pg_class c on c.oid = t.tgrelid and not c.relispartition
  where not t.tgisinternal
  union all
  select 'function ' || p.oid::regprocedure || ' ' || md5(p.prosrc)
  from pg_proc p
  join pg_namespace n on n.oid = p.pronamespace and n.nspname !~ '^(pg_|information_schema|public)'
) as lines`
