import type { Sequence } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { type Attempt } from './attempt.ts'
import { judgeCommand, judgeRead } from './judges.ts'
import { quoteLiteral, quoteName, quoteQualified } from './quote.ts'
import type { Plot, Scene } from './scene.ts'

/** The last value of a sequence that all tenants draw from tells how much the others do. */
export function* sequenceAttempts(sequence: Sequence, plot: Plot): Generator<Attempt> {
  const step = { role: plot.role, tenant: plot.attacker, sql: `select last_value from ${quoteQualified(sequence)}` }
  yield { object: nameOf(sequence), attempt: `${plot.role}: read the sequence`, steps: [step], judge: judgeCommand }
}

/** Column statistics hold values of all tenants. `analysed` are tables that have statistics to be seen. */
export function* statisticsAttempts(analysed: readonly string[], plot: Plot): Generator<Attempt> {
  for (const name of analysed) {
    const [schema = '', table = ''] = name.split('.')
    const sql = `select from pg_catalog.pg_stats where schemaname = ${quoteLiteral(schema)} and tablename = ${quoteLiteral(table)}`
    const step = { role: plot.role, tenant: plot.attacker, sql }
    yield {
      object: name,
      attempt: `${plot.role}: read statistics`,
      steps: [step],
      judge: judgeRead(1, 'of statistics'),
    }
  }
}

/** Becoming somebody else, or reaching around the database's own guards. */
export function* escalationAttempts(plot: Plot, scene: Scene): Generator<Attempt> {
  const { catalog, applicationRoles } = scene.context
  const own = scene.memberships.get(plot.role) ?? new Set([plot.role])
  // What the role is anyway is no step up, unless no policy holds there.
  const commands = [...catalog.roles.values()]
    .filter(({ name, superuser, bypassRls }) => {
      return !own.has(name) ? !applicationRoles.has(name) : name !== plot.role && (superuser || bypassRls)
    })
    .map(({ name }) => [`become ${name}`, `set local role ${quoteName(name)}`] as const)
  const role = quoteName(plot.role)
  for (const [title, sql] of [
    ...commands,
    ['silence triggers', `set local session_replication_role = 'replica'`],
    ['take BYPASSRLS', `alter role ${role} bypassrls`],
    ['make a role', 'create role imhotep_attack'],
    ['make a schema', 'create schema imhotep_attack'],
    ['make a function in public', `create function public.imhotep_attack() returns int language sql as 'select 1'`],
    ['read a file of the server', `select pg_catalog.pg_read_file('postgresql.conf')`],
    ['run a program on the server', `copy (select 1) to program 'true'`],
    ['read password hashes', 'select rolpassword from pg_catalog.pg_authid'],
  ] as const) {
    const step = { role: plot.role, tenant: plot.attacker, sql }
    yield { object: plot.role, attempt: `${plot.role}: ${title}`, steps: [step], judge: judgeCommand }
  }
}
