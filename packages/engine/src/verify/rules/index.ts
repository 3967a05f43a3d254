import type { Rule } from '../rule.ts'
import { appendOnly } from './append-only.ts'
import { applicationRoles } from './application-roles.ts'
import { auditCoverage } from './audit-coverage.ts'
import { commentsComplete } from './comments-complete.ts'
import { definerSearchPath } from './definer-search-path.ts'
import { foreignKeyCarriesTenant } from './foreign-key-carries-tenant.ts'
import { foreignKeyIndex } from './foreign-key-index.ts'
import { grants } from './grants.ts'
import { noFloatMoney } from './no-float-money.ts'
import { noTimestampWithoutZone } from './no-timestamp-without-zone.ts'
import { rlsEnabled } from './rls-enabled.ts'
import { rlsForced } from './rls-forced.ts'
import { stateMachineTrigger } from './state-machine-trigger.ts'
import { tenantColumn } from './tenant-column.ts'
import { tenantFirstInIndexes } from './tenant-first-in-indexes.ts'
import { tenantFirstInKeys } from './tenant-first-in-keys.ts'
import { tenantPolicy } from './tenant-policy.ts'
import { uselessIndexUnderRls } from './useless-index-under-rls.ts'
import { viewSecurityInvoker } from './view-security-invoker.ts'

/** Every rule of verify, in the order of the report. A test compares this list with the folder. */
export const verifyRules: readonly Rule[] = [
  rlsEnabled,
  rlsForced,
  tenantPolicy,
  tenantColumn,
  tenantFirstInKeys,
  tenantFirstInIndexes,
  foreignKeyCarriesTenant,
  foreignKeyIndex,
  uselessIndexUnderRls,
  auditCoverage,
  appendOnly,
  applicationRoles,
  grants,
  definerSearchPath,
  viewSecurityInvoker,
  stateMachineTrigger,
  commentsComplete,
  noFloatMoney,
  noTimestampWithoutZone,
]
