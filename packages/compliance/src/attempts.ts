import { beginRequest } from './checks.ts'
import { outcomeOf, trial, type Inspection } from './inspection.ts'
import { fail, notApplicable, pass, type ComplianceRule } from './rule.ts'

// Attempts on rows that exist: what must not be done to one is tried, and taken back.

type Check = ComplianceRule['check']

export interface RowAttempt {
  /** What is tried, for the evidence. */
  readonly attempt: string
  /** `select id from .. where tenant_id = $1 ..`: the row that it is tried on. */
  readonly row: string
  /** Run first, as the installer, in the same savepoint; `$1` is the tenant, `$2` the row. */
  readonly given?: readonly string[]
  /** What must be refused; `$1` is the tenant, `$2` the row. */
  readonly statement: string
  /** SQLSTATEs that count as the refusal. */
  readonly with: readonly string[]
}

/** Each attempt that has a row to be made on is refused. Without any such row there is nothing to say. */
export function refusesOnRow(...attempts: readonly RowAttempt[]): Check {
  return async (inspection) => {
    const refused: string[] = []
    const offenders: string[] = []
    const impossible: string[] = []
    for (const attempt of attempts) {
      const outcome = await trial(inspection, () => outcomeOnRow(inspection, attempt))
      if (outcome === null) impossible.push(attempt.attempt)
      else if (attempt.with.includes(outcome)) refused.push(attempt.attempt)
      else offenders.push(`${attempt.attempt}: ended with ${outcome}`)
    }
    const untried = impossible.length > 0 ? `no row to try on: ${impossible.join(', ')}` : ''
    if (offenders.length > 0) return fail(`${refused.length + offenders.length} attempts`, offenders)
    if (refused.length === 0) return notApplicable(untried)
    return pass([`refused: ${refused.join(', ')}`, untried].filter((text) => text !== '').join('; '))
  }
}

async function outcomeOnRow(inspection: Inspection, attempt: RowAttempt): Promise<string | null> {
  const { tx, tenants } = inspection
  for (const tenant of tenants) {
    await beginRequest(inspection, tenant)
    const [row] = await tx.query<{ id: string }>(`${attempt.row} limit 1`, [tenant])
    if (!row) continue
    for (const statement of attempt.given ?? []) await tx.query(statement, paramsOf(statement, tenant, row.id))
    return outcomeOf(inspection, attempt.statement, paramsOf(attempt.statement, tenant, row.id))
  }
  return null
}

function paramsOf(statement: string, tenant: string, row: string): string[] {
  if (statement.includes('$2')) return [tenant, row]
  return statement.includes('$1') ? [tenant] : []
}

export interface RowChange {
  readonly attempt: string
  readonly table: string
  /** Which row it is tried on, a condition on the table. */
  readonly where: string
  readonly set: string
  /** Default: check_violation and not_null_violation. */
  readonly with?: readonly string[]
}

/** No row can be brought into the state, whoever writes: the constraint refuses it with every trigger off. */
export function constraintRefuses(...changes: readonly RowChange[]): Check {
  return refusesOnRow(
    ...changes.map(({ attempt, table, where, set, with: codes = ['23514', '23502'] }) => ({
      attempt,
      row: `select id from ${table} where tenant_id = $1 and (${where}) order by id`,
      given: ['set local session_replication_role = replica'],
      statement: `update ${table} set ${set} where tenant_id = $1 and id = $2`,
      with: codes,
    })),
  )
}

/** The definition says it; where there are rows to try it on, the attempts must agree. */
export function definedAndTried(defined: Check, tried: Check): Check {
  return async (inspection) => {
    const definition = await defined(inspection)
    if (definition.verdict !== 'pass') return definition
    const attempt = await tried(inspection)
    if (attempt.verdict === 'pass') return pass(`${definition.evidence}; ${attempt.evidence}`)
    return attempt.verdict === 'not applicable' ? pass(`${definition.evidence}; ${attempt.reason}`) : attempt
  }
}
