import type { Rule } from '../rule.ts'
import { appendOnly } from './append-only.ts'
import { applicationRoles } from './application-roles.ts'
import { auditCoverage } from './audit-coverage.ts'
import { commentsComplete } from './comments-complete.ts'
import { definerSearchPath } from './definer-search-path.ts'
import { foreignKeyAction } from './foreign-key-action.ts'
import { foreignKeyCarriesTenant } from './foreign-key-carries-tenant.ts'
import { foreignKeyEnforced } from './foreign-key-enforced.ts'
import { foreignKeyIndex } from './foreign-key-index.ts'
import { grants } from './grants.ts'
import { historyParity } from './history-parity.ts'
import { nameNeedsQuotes } from './name-needs-quotes.ts'
import { namePattern } from './name-pattern.ts'
import { noFloatMoney } from './no-float-money.ts'
import { noPrimaryKey } from './no-primary-key.ts'
import { noTimestampWithoutZone } from './no-timestamp-without-zone.ts'
import { nullableBoolean } from './nullable-boolean.ts'
import { policyAlwaysTrue } from './policy-always-true.ts'
import { policyPerRow } from './policy-per-row.ts'
import { policyWithoutRls } from './policy-without-rls.ts'
import { redundantIndex } from './redundant-index.ts'
import { retentionDeclared } from './retention-declared.ts'
import { rlsEnabled } from './rls-enabled.ts'
import { rlsForced } from './rls-forced.ts'
import { sensitiveColumn } from './sensitive-column.ts'
import { roleSettings } from './role-settings.ts'
import { softDeleteUnique } from './soft-delete-unique.ts'
import { stateMachineTrigger } from './state-machine-trigger.ts'
import { tenantColumn } from './tenant-column.ts'
import { tenantFirstInIndexes } from './tenant-first-in-indexes.ts'
import { tenantFirstInKeys } from './tenant-first-in-keys.ts'
import { tenantPolicy } from './tenant-policy.ts'
import { restrictivePolicyMissing } from './restrictive-policy-missing.ts'
import { unloggedTable } from './unlogged-table.ts'
import { uselessIndexUnderRls } from './useless-index-under-rls.ts'
import { viewSecurityInvoker } from './view-security-invoker.ts'

/** Every rule of verify, in the order of the report. */
export const verifyRules: readonly Rule[] = [
  rlsEnabled,
  rlsForced,
  tenantPolicy,
  policyAlwaysTrue,
  policyWithoutRls,
  policyPerRow,
  restrictivePolicyMissing,
  tenantColumn,
  tenantFirstInKeys,
  tenantFirstInIndexes,
  foreignKeyCarriesTenant,
  foreignKeyEnforced,
  foreignKeyIndex,
  uselessIndexUnderRls,
  redundantIndex,
  noPrimaryKey,
  unloggedTable,
  namePattern,
  auditCoverage,
  appendOnly,
  historyParity,
  sensitiveColumn,
  applicationRoles,
  roleSettings,
  grants,
  definerSearchPath,
  viewSecurityInvoker,
  stateMachineTrigger,
  commentsComplete,
  retentionDeclared,
  noFloatMoney,
  noTimestampWithoutZone,
]

/** What lint asks of the schema that a history ends in: the rules of verify, and matters of taste. A test compares this list with the folder. */
export const catalogRules: readonly Rule[] = [
  ...verifyRules,
  softDeleteUnique,
  foreignKeyAction,
  nullableBoolean,
  nameNeedsQuotes,
]
