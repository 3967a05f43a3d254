import {
  revokeSessions,
  revokeSessionsSql,
  rotateSession,
  rotateSessionSql,
  startSession,
  startSessionSql,
} from './sessions.ts'
import { recordSignIn, recordSignInSql } from './sign-in.ts'

/** The operations of schema/auth that an application may call. */
export const authOperations = {
  'auth.start_session': { sql: startSessionSql, call: startSession },
  'auth.rotate_session': { sql: rotateSessionSql, call: rotateSession },
  'auth.revoke_sessions': { sql: revokeSessionsSql, call: revokeSessions },
  'auth.record_sign_in': { sql: recordSignInSql, call: recordSignIn },
} as const
