import {
  closeBreakGlass,
  closeBreakGlassSql,
  openBreakGlass,
  openBreakGlassSql,
  reviewBreakGlass,
  reviewBreakGlassSql,
} from './break-glass.ts'
import { logAccess, logAccessSql, logDisclosure, logDisclosureSql, logEvent, logEventSql } from './log.ts'

/** The operations of schema/audit that an application may call. */
export const auditOperations = {
  'audit.open_break_glass': { sql: openBreakGlassSql, call: openBreakGlass },
  'audit.close_break_glass': { sql: closeBreakGlassSql, call: closeBreakGlass },
  'audit.review_break_glass': { sql: reviewBreakGlassSql, call: reviewBreakGlass },
  'audit.log_access': { sql: logAccessSql, call: logAccess },
  'audit.log_disclosure': { sql: logDisclosureSql, call: logDisclosure },
  'audit.log_event': { sql: logEventSql, call: logEvent },
} as const
