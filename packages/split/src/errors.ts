import { ImhotepError, UsageError } from '@imhotep/base'

/** The plan knows no such service. */
export class UnknownServiceError extends UsageError {
  constructor(service: string, known: readonly string[]) {
    super(`there is no service '${service}' in the plan`, { hint: `it knows ${known.join(', ')}` })
  }
}

/** Nothing was decided for this database yet. */
export class NotPlannedError extends ImhotepError {
  readonly code = 'IMH_SPLIT_NOT_PLANNED'
  constructor(source: string) {
    super(`there is no plan for ${source}`, {
      hint: 'make one from an owner map: imhotep split plan --map owners.yaml',
    })
  }
}

/** Rows hold what PostgreSQL does not, and the owner map does not say what becomes of it. */
export class LossyTypesError extends ImhotepError {
  readonly code = 'IMH_SPLIT_LOSSY'
  readonly findings: readonly string[]
  constructor(findings: readonly string[]) {
    super(`rows that would be lost: ${findings.join('; ')}`, {
      hint: 'repair the rows, or decide in the owner map what becomes of them (zeroDate, json)',
    })
    this.findings = findings
  }
}

/** The server has too few workers to keep all read-only copies up to date. */
export class CopyWorkersError extends ImhotepError {
  readonly code = 'IMH_SPLIT_COPY_WORKERS'
  constructor(copies: number, needed: number) {
    super(`${copies} read-only copies need ${needed} replication workers, the server allows fewer`, {
      hint:
        `set max_logical_replication_workers to ${needed} and max_worker_processes to ${needed + 8} or more, ` +
        'restart the server and run it again: services that are switched stay so',
    })
  }
}
