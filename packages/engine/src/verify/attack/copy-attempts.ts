import { DatabaseError } from '@imhotep/postgres'
import { refused, through, untested, type Verdict } from './attempt.ts'
import { quoteLiteral } from './quote.ts'
import type { Judged, Querier } from './runner.ts'
import type { Plot, Scene } from './scene.ts'
import type { Target } from './targets.ts'

/**
 * COPY cannot run inside a function, so these attempts go one by one. Each ends in an error by design, so that no data
 * flows: a division by zero when there is a row of the other tenant, a bad number when there is none.
 */
export async function runCopyAttempts(db: Querier, plot: Plot, scene: Scene): Promise<Judged[]> {
  const judged: Judged[] = []
  for (const target of scene.targets.values()) {
    const attempt = { object: target.name, attempt: `${plot.role}: copy`, steps: [], judge: () => refused }
    const isEmpty = (target.rows.get(plot.victim)?.count ?? 0) === 0
    const verdict = await copy(db, target, plot, scene.context.policy.contextSetting)
    judged.push({
      attempt,
      verdict: isEmpty && verdict === refused ? untested('no rows to attack') : verdict,
      steps: 1,
    })
  }
  return judged
}

async function copy(db: Querier, target: Target, plot: Plot, contextSetting: string): Promise<Verdict> {
  const { sqlName, tenantColumn } = target
  const theirs = `select 1 / (length(${tenantColumn}::text) - 36) from ${sqlName} where ${tenantColumn} = ${quoteLiteral(plot.victim)}`
  await db.query('savepoint imhotep_attack_copy')
  try {
    await db.query(`select set_config($1, $2, true), set_config('session_authorization', $3, true)`, [
      contextSetting,
      plot.attacker,
      plot.role,
    ])
    await db.query(`copy (${theirs} union all select ('none' || random())::integer) to stdout`)
    return untested('COPY came to no end')
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error
    if (error.sqlstate === '22012') return through('COPY reached rows of the other tenant')
    return error.sqlstate === '22P02' || error.sqlstate === '42501' ? refused : untested(`stopped by ${error.sqlstate}`)
  } finally {
    await db.query('rollback to savepoint imhotep_attack_copy')
  }
}
