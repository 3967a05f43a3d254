import { ImhotepError, type ExitCode } from '@imhotep/base'
import type { Target } from '../target.ts'

/** Nothing answers at the address, or what answers is not PostgreSQL. */
export class ConnectionFailedError extends ImhotepError {
  readonly code = 'IMH_CONNECTION_FAILED'
  override readonly exitCode: ExitCode = 2
  readonly host: string
  readonly port: number

  constructor(target: Target, cause: unknown) {
    super(`no connection to PostgreSQL at ${target.host}:${target.port}: ${explain(cause)}`, {
      cause,
      hint: 'start the server, or correct host and port in the connection string',
    })
    this.host = target.host
    this.port = target.port
  }
}

function explain(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string }
  if (code === 'ECONNREFUSED') return 'nothing listens there'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the host name is not known'
  if (code === 'ETIMEDOUT' || code === 'CONNECT_TIMEOUT') return 'it does not answer'
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return 'the network does not reach it'
  return message ?? String(cause)
}
