import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import type { CdsAlert, RunRulesInput } from './alerts.ts'

/** A condition over facts. A comparison with a fact that is not known is false. */
export type RuleLogic =
  | { readonly all: readonly RuleLogic[] }
  | { readonly any: readonly RuleLogic[] }
  | { readonly not: RuleLogic }
  | { readonly fact: string; readonly op: '=' | '<>' | 'has'; readonly value: string | number | boolean }
  | { readonly fact: string; readonly op: '<' | '<=' | '>' | '>='; readonly value: number }
  | { readonly fact: string; readonly op: 'in'; readonly value: readonly (string | number)[] }
  | { readonly fact: string; readonly op: 'known' | 'unknown' }

export interface RuleTestCase {
  readonly name: string
  readonly facts: Readonly<Record<string, unknown>>
  readonly fires: boolean
}

export interface CdsRule {
  readonly id: string
  readonly code: string
  readonly version: number
  readonly status: 'draft' | 'testing' | 'active' | 'suspended' | 'retired'
}

const ruleColumns = 'id, code, version, status'

export interface DraftRuleInput {
  readonly code: string
  readonly name: string
  readonly hook: RunRulesInput['hook']
  readonly logic: RuleLogic
  readonly severity: CdsAlert['severity']
  readonly category:
    | 'interaction'
    | 'allergy'
    | 'duplicate'
    | 'dose'
    | 'renal'
    | 'pregnancy'
    | 'early_warning'
    | 'sepsis'
    | 'stewardship'
    | 'preventive'
    | 'stg'
  readonly testCases?: readonly RuleTestCase[]
  /** Source of the rule. */
  readonly evidence?: string
}

export const draftRuleSql = `
select ${ruleColumns}
from cds.draft_rule($1, $2, $3, $4::jsonb, $5, $6, $7::jsonb, $8)`

/** Drafts the next version of a rule, or changes its draft. */
export async function draftRule(tx: Transaction, input: DraftRuleInput): Promise<CdsRule> {
  const { code, name, hook, logic, severity, category, testCases = [], evidence = null } = input
  const params = [code, name, hook, logic, severity, category, testCases, evidence]
  return single(await tx.query<CdsRule>(draftRuleSql, params))
}

export interface RuleTestResult {
  readonly testCase: string
  readonly expected: boolean
  readonly actual: boolean
  readonly passed: boolean
}

export const testRuleSql = `
select test_case as "testCase", expected, actual, passed
from cds.test_rule($1)`

/**
 * Runs the test cases of a rule.
 * @throws NotFoundError (IM005)
 */
export async function testRule(tx: Transaction, ruleId: string): Promise<RuleTestResult[]> {
  return tx.query<RuleTestResult>(testRuleSql, [ruleId])
}

export const startRuleTestSql = `select ${ruleColumns}\nfrom cds.start_rule_test($1)`

/**
 * Draft to testing: from now on the logic stays as it is.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function startRuleTest(tx: Transaction, ruleId: string): Promise<CdsRule> {
  return single(await tx.query<CdsRule>(startRuleTestSql, [ruleId]))
}

export const returnRuleToDraftSql = `select ${ruleColumns}\nfrom cds.return_rule_to_draft($1)`

/**
 * Testing to draft: the review asks for changes.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function returnRuleToDraft(tx: Transaction, ruleId: string): Promise<CdsRule> {
  return single(await tx.query<CdsRule>(returnRuleToDraftSql, [ruleId]))
}

export const activateRuleSql = `select ${ruleColumns}\nfrom cds.activate_rule($1)`

/**
 * Testing or suspended to active, when all test cases pass, by a user who did not write it; the active version retires.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), RuleTestFailedError (IM410),
 * ApprovalMissingError (IM506)
 */
export async function activateRule(tx: Transaction, ruleId: string): Promise<CdsRule> {
  return single(await tx.query<CdsRule>(activateRuleSql, [ruleId]))
}

export const suspendRuleSql = `select ${ruleColumns}\nfrom cds.suspend_rule($1, $2)`

/**
 * Silences an active rule for now.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function suspendRule(tx: Transaction, ruleId: string, reason: string): Promise<CdsRule> {
  return single(await tx.query<CdsRule>(suspendRuleSql, [ruleId, reason]))
}

export const retireRuleSql = `select ${ruleColumns}\nfrom cds.retire_rule($1)`

/**
 * Ends a rule for good.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function retireRule(tx: Transaction, ruleId: string): Promise<CdsRule> {
  return single(await tx.query<CdsRule>(retireRuleSql, [ruleId]))
}
