// Wrappers of the operations of schema/auth.
export {
  revokeSessions,
  rotateSession,
  startSession,
  type RevokeSessionsInput,
  type RotatedSession,
  type RotateSessionInput,
  type StartSessionInput,
} from './sessions.ts'
export { recordSignIn, type SignInInput, type SignInResult } from './sign-in.ts'
