// Wrappers of the operations of schema/audit.
export {
  closeBreakGlass,
  openBreakGlass,
  reviewBreakGlass,
  type BreakGlassInput,
  type ReviewOutcome,
} from './break-glass.ts'
export { logAccess, logDisclosure, logEvent, type AccessRecord, type AuditEvent, type Disclosure } from './log.ts'
