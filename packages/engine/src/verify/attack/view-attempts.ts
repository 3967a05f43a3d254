import type { View } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { refused, untested, type Attempt, type Outcome, type Verdict } from './attempt.ts'
import { judgePolicy, judgeRead } from './judges.ts'
import { quoteLiteral, quoteName, quoteQualified } from './quote.ts'
import { canariesOf, type Plot, type Scene } from './scene.ts'

/** Reads and writes through a view. A view without the tenant column is searched for the ids of the other tenant. */
export function* viewAttempts(view: View, plot: Plot, scene: Scene): Generator<Attempt> {
  const name = quoteQualified(view)
  const { tenantColumn } = scene.context.policy
  const hasTenant = view.columns.includes(tenantColumn)
  const theirs = `${quoteName(tenantColumn)} = ${quoteLiteral(plot.victim)}`
  const step = (sql: string, tenant: string | null = plot.attacker, policyOnly = false) => ({
    role: plot.role,
    tenant,
    sql,
    policyOnly,
  })
  const attempt = (title: string, steps: Attempt['steps'], judge: Attempt['judge']): Attempt => {
    return { object: nameOf(view), attempt: `${plot.role}: ${title}`, steps, judge }
  }

  // The ids are first looked for in all lines as one text: a search a line and id took most of the attack.
  const search = (tenants: string[], most = 1000) => {
    const ids = tenants.flatMap((tenant) => canariesOf(scene, tenant)).map(quoteLiteral)
    return `with lines as materialized (select to_jsonb(v)::text as line from ${name} v limit 5000),
      found as materialized (
        select id from unnest(array[${ids.join(', ')}]) id
        where strpos((select string_agg(line, chr(10)) from lines), id) > 0
      )
      select from lines where exists (select from found where strpos(line, id) > 0) limit ${most}`
  }
  yield attempt(
    'search through the view',
    [step(search([plot.victim])), step(search([plot.victim], 1), plot.victim)],
    judgeSearch,
  )
  yield attempt(
    'read through the view without a tenant',
    [step(search([plot.victim, plot.attacker]), null)],
    judgeRead(1, 'without a tenant'),
  )
  // The search has looked for the tenant's id in every column.
  if (!hasTenant || plot.quick) return
  yield attempt('list through the view', [step(`select from ${name} where ${theirs} limit 1000`)], judgeRead(1))
  yield attempt(
    'update through the view',
    [
      step(
        `update ${name} set ${quoteName(tenantColumn)} = ${quoteLiteral(plot.attacker)} where ${theirs}`,
        plot.attacker,
        true,
      ),
    ],
    judgeViewWrite,
  )
  yield attempt(
    'delete through the view',
    [step(`delete from ${name} where ${theirs}`, plot.attacker, true)],
    judgeViewWrite,
  )
}

/** The second step is the victim's own look: a view that shows it nothing proves nothing. */
function judgeSearch(outcomes: readonly Outcome[]): Verdict {
  return judgeRead(outcomes[1]?.rows ?? 0)(outcomes.slice(0, 1))
}

/** Most views cannot be written to at all (55000, 0A000). */
function judgeViewWrite(outcomes: readonly Outcome[]): Verdict {
  const [outcome] = outcomes
  if (!outcome) return untested('not run')
  return ['55000', '0A000', '42501', '428C9'].includes(outcome.state) ? refused : judgePolicy(1)(outcomes)
}
