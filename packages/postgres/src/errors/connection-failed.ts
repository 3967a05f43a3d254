import { ImhotepError, type ExitCode } from '@imhotep/base'
import type { Target } from '../target.ts'

/** Nothing answers at the address, or what answers is not PostgreSQL. */
export class ConnectionFailedError extends ImhotepError {
  readonly code = 'IMH_CONNECTION_FAILED'
  override readonly exitCode: ExitCode = 2
  readonly host: string
  readonly port: number

  constructor(target: Target, cause: unknown) {
    const isCertificate = isCertificateTrouble((cause as { code?: unknown }).code)
    super(`no connection to PostgreSQL at ${target.host}:${target.port}: ${explain(cause)}`, {
      cause,
      hint: isCertificate
        ? 'name the file of the authority that signed it: sslrootcert=FILE; or do without the check: sslmode=require'
        : 'start the server, or correct host and port in the connection string',
    })
    this.host = target.host
    this.port = target.port
  }
}

/** The codes of OpenSSL, and of Node for a name that the certificate does not have. */
export function isCertificateTrouble(code: unknown): boolean {
  return typeof code === 'string' && /CERT_|_CERT|UNABLE_TO_VERIFY/.test(code)
}

function explain(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string }
  if (code === 'ECONNREFUSED') return 'nothing listens there'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the host name is not known'
  if (code === 'ETIMEDOUT' || code === 'CONNECT_TIMEOUT') return 'it does not answer'
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return 'the network does not reach it'
  if (isCertificateTrouble(code)) return `its certificate is not accepted (${message})`
  return message ?? String(cause)
}
