import type { Database } from '@imhotep/postgres'
import { readCatalog } from '../catalog/live.ts'
import { attackDatabase, type AttackOptions, type AttackReport } from './attack/attack-database.ts'
import { makeContext } from './context.ts'
import type { Finding } from './finding.ts'
import { defaultPolicy, type VerifyPolicy } from './policy.ts'
import { readFacts } from './read-facts.ts'
import type { Rule } from './rule.ts'
import { verifyRules } from './rules/index.ts'
import { runRules } from './run-rules.ts'

export interface VerifyOptions {
  readonly policy?: VerifyPolicy
  /** Default: all. */
  readonly rules?: readonly Rule[]
  /** True is the full attack. Default: none. */
  readonly attack?: boolean | 'full' | 'quick' | Pick<AttackOptions, 'mode' | 'roles' | 'functions'>
  readonly onProgress?: AttackOptions['onProgress']
  /** Stops the attack; see `AttackOptions.signal`. */
  readonly signal?: AttackOptions['signal']
}

export interface VerifyReport {
  /** How many times a rule looked at an object. */
  readonly checks: number
  readonly tables: number
  readonly findings: Finding[]
  readonly attack: AttackReport | null
  /** Catalogue part and attack together. */
  readonly ms: number
}

/**
 * Measures a live database against the policy, and with `attack` tries to break it. Changes nothing.
 * @throws AttackNotPossibleError when an attack is asked for and cannot be made
 */
export async function verifyDatabase(db: Database, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { policy = defaultPolicy, rules = verifyRules, attack = false, onProgress, signal } = options
  const started = performance.now()
  const catalog = await readCatalog(db)
  const context = makeContext(catalog, policy, await readFacts(db, catalog, policy))
  const { checks, findings } = runRules(rules, context)
  const how = typeof attack === 'object' ? attack : ({ mode: attack === 'quick' ? attack : 'full' } as const)
  const report = attack
    ? await attackDatabase(db, catalog, { policy, signal, ...how, ...(onProgress ? { onProgress } : {}) })
    : null
  return {
    checks,
    tables: context.tables.length,
    findings,
    attack: report,
    ms: Math.round(performance.now() - started),
  }
}

/** True when nothing is wrong: no finding of severity error, and nothing got through. */
export function isVerified(report: VerifyReport): boolean {
  return !report.findings.some((finding) => finding.severity === 'error') && (report.attack?.through.length ?? 0) === 0
}
