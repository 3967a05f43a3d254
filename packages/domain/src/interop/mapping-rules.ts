import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { mappingColumns, type MappingRule } from './rows.ts'

export interface MappingTest {
  readonly testNo: number
  readonly passed: boolean
  readonly expected: unknown
  readonly got: unknown
}

export const mapMessageSql = `select interop.map_message($1::jsonb, $2::jsonb, $3::jsonb) as value`

/**
 * The columns of a message by a mapping and its code map, without writing anything.
 */
export async function mapMessage(
  tx: Transaction,
  mapping: Readonly<Record<string, unknown>>,
  codeMap: Readonly<Record<string, unknown>> | null,
  message: Readonly<Record<string, string>>,
): Promise<Record<string, unknown>> {
  return single(
    await tx.query<{ value: Record<string, unknown> }>(mapMessageSql, [
      JSON.stringify(mapping),
      codeMap === null ? null : JSON.stringify(codeMap),
      JSON.stringify(message),
    ]),
  ).value
}

export const findMappingSql = `select ${mappingColumns}\nfrom interop.find_mapping($1, $2, $3)`

/**
 * The active rules for a message, one a target table.
 * @throws MessageUnknownError (IM800)
 */
export async function findMapping(
  tx: Transaction,
  endpointId: string,
  messageType: string,
  triggerEvent: string,
): Promise<MappingRule[]> {
  return tx.query<MappingRule>(findMappingSql, [endpointId, messageType, triggerEvent])
}

export const testMappingSql = `select test_no as "testNo", passed, expected, got\nfrom interop.test_mapping($1)`

/**
 * Runs the test messages of a rule.
 * @throws NotFoundError (IM005)
 */
export async function testMapping(tx: Transaction, ruleId: string): Promise<MappingTest[]> {
  return tx.query<MappingTest>(testMappingSql, [ruleId])
}

export const activateMappingSql = `select ${mappingColumns}\nfrom interop.activate_mapping($1)`

/**
 * Puts a rule into use when all its tests pass, by another person than its author.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006), MessageUnknownError
 * (IM800)
 */
export async function activateMapping(tx: Transaction, ruleId: string): Promise<MappingRule> {
  return single(await tx.query<MappingRule>(activateMappingSql, [ruleId]))
}

export const retireMappingSql = `select ${mappingColumns}\nfrom interop.retire_mapping($1)`

/**
 * Takes a rule out of use.
 * @throws NotFoundError (IM005), NotPermittedError (IM006)
 */
export async function retireMapping(tx: Transaction, ruleId: string): Promise<MappingRule> {
  return single(await tx.query<MappingRule>(retireMappingSql, [ruleId]))
}
