import { randomUUID } from 'node:crypto'
import type { Routine } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { refused, through, untested, type Attempt, type Outcome, type Step, type Verdict } from './attempt.ts'
import { listedValue } from './listed-value.ts'
import { quoteLiteral, quoteQualified } from './quote.ts'
import { canariesOf, isUuid, type Plot, type Scene } from './scene.ts'

interface Argument {
  readonly name: string
  readonly type: string
  readonly variadic: boolean
}

/**
 * Calls one function with ids of the other tenant. The answer may hold none of its other ids, must be the one that an
 * unknown id gets, and no row of the other tenant may have changed.
 */
export function* functionAttempts(routine: Routine, plot: Plot, scene: Scene): Generator<Attempt> {
  const { policy } = scene.context
  const object = `${nameOf(routine)}(${routine.argumentTypes.join(', ')})`
  if (/^(trigger|event_trigger|internal)$/.test(routine.returns) || routine.kind === 'aggregate') return
  if (nameOf(routine) === policy.beginFunction || policy.crossTenantFunctions[nameOf(routine)]) return
  const args = argumentsOf(routine)
  if (args.some((arg) => /^any|internal|^regclass$|^trigger/.test(arg.type))) return

  const attempt = (title: string, steps: Step[], judge: Attempt['judge']): Attempt => {
    return { object, attempt: `${plot.role}: ${title}`, steps, judge }
  }
  if (!mayCall(routine, plot.role, scene)) {
    if (plot.quick) return
    yield attempt(
      'call without the right to',
      [
        call(
          values(() => null),
          plot.attacker,
          [],
        ),
      ],
      judgeCall,
    )
    return
  }
  const ids = args.map((arg) => (isIdType(arg.type) ? idsFor(arg.name, routine, scene) : null))
  const positions = ids.flatMap((found, index) => (found ? [index] : []))
  if (positions.length === 0) {
    yield attempt(
      'call',
      [
        call(
          values(() => null),
          plot.attacker,
          [],
        ),
      ],
      judgeCall,
    )
    yield attempt(
      'call without a tenant',
      [
        call(
          values(() => null),
          null,
          [],
        ),
      ],
      judgeCall,
    )
    return
  }
  for (const chosen of choices(positions, plot.quick)) {
    const theirs = (index: number) =>
      (chosen.includes(index) ? ids[index]?.(plot.victim) : ids[index]?.(plot.attacker)) ?? randomUUID()
    const passed = positions.map((index) => [index, theirs(index)] as const)
    const unknown = () => passed.map(([index, id]) => [index, chosen.includes(index) ? randomUUID() : id] as const)
    const title = `call with another tenant's ${chosen.map((index) => args[index]?.name || `argument ${index + 1}`).join(', ')}`
    yield attempt(
      title,
      [passed, unknown(), unknown()].map((given) => callWith(given)),
      judgeCall,
    )
  }

  function callWith(given: readonly (readonly [number, string])[]): Step {
    const byIndex = new Map(given)
    return call(
      values((index) => byIndex.get(index) ?? null),
      plot.attacker,
      [...byIndex.values()],
    )
  }

  function call(list: string, tenant: string | null, passed: string[]): Step {
    const invoked = `${quoteQualified(routine)}(${list})`
    const canaries = canariesOf(scene, plot.victim).filter((id) => !passed.includes(id))
    const sql =
      routine.kind === 'procedure'
        ? `call ${invoked}`
        : routine.returns === 'void'
          ? `select null from ${invoked}`
          : `select jsonb_agg(to_jsonb(answer))::text from (select * from ${invoked} limit 1000) answer`
    return { role: plot.role, tenant, sql, call: { canaries, passed, victim: plot.victim } }
  }

  function values(idAt: (index: number) => string | null): string {
    return args.map((arg, index) => valueOf(arg, idAt(index), routine, scene)).join(', ')
  }
}

function mayCall(routine: Routine, role: string, { context }: Scene): boolean {
  const roles = context.policy.applicationRoles.includes(role) ? context.applicationRoles : new Set([role])
  return routine.grants.some(({ grantee }) => grantee === 'public' || roles.has(grantee) || grantee === role)
}

function judgeCall([answer, unknown, unknownAgain]: readonly Outcome[]): Verdict {
  if (!answer) return untested('not run')
  if (answer.leaked > 0) return through(`the answer holds ${answer.leaked} ids of the other tenant`)
  if (answer.changed > 0) return through(`${answer.changed} rows of the other tenant changed`)
  if (!unknown || !unknownAgain) return refused
  if (answer.state !== unknown.state)
    return through(`tells a row of the other tenant (${answer.state}) from an unknown one (${unknown.state})`)
  // Answers that differ between two unknown ids hold a time or a new id: nothing to compare.
  const comparable = unknown.answer === unknownAgain.answer
  return comparable && answer.answer !== unknown.answer ? through('answers otherwise than for an unknown id') : refused
}

/** All ids of the other tenant at once, then each alone among our own. */
function choices(positions: readonly number[], quick: boolean): number[][] {
  if (quick || positions.length === 1) return [[...positions]]
  return [[...positions], ...positions.map((position) => [position])]
}

/** The row that an argument most likely names, by its name: `p_slot` is a row of some table `..slots`. */
function idsFor(argument: string, routine: Routine, scene: Scene): (tenant: string) => string | null {
  const { policy } = scene.context
  const stem = stemOf(argument).replace(/_?ids?$/, '')
  if (stem === 'tenant') return (tenant) => tenant
  const plurals = [`${stem}s`, `${stem}es`, stem.replace(/y$/, 'ies'), stem]
  const score = (table: string, schema: string) => {
    const matches = plurals.some((plural) => table === plural)
      ? 4
      : plurals.some((plural) => table.endsWith(`_${plural}`))
        ? 2
        : 0
    return matches + (schema === routine.schema ? 1 : 0)
  }
  const best = [...scene.targets.values()]
    .filter((target) => !target.partition && target.name !== policy.rootTable)
    .map((target) => ({ target, points: score(target.table.name, target.table.schema) }))
    .filter(({ points, target }) => points > 0 && [...target.rows.values()].some((rows) => isUuid(rows.id)))
    .toSorted((a, b) => b.points - a.points)[0]
  return (tenant) => {
    const id = best?.target.rows.get(tenant)?.id
    return isUuid(id) ? id : null
  }
}

function isIdType(type: string): boolean {
  return type === 'uuid' || type === 'uuid[]'
}

function valueOf(arg: Argument, id: string | null, routine: Routine, scene: Scene): string {
  const { type } = arg // as format_type prints it: quoted where it must be
  const spread = arg.variadic ? 'variadic ' : ''
  if (arg.type === 'uuid') return `${quoteLiteral(id ?? randomUUID())}::uuid`
  if (arg.type === 'uuid[]') return `${spread}array[${quoteLiteral(id ?? randomUUID())}]::uuid[]`
  const user = scene.context.catalog.types.get(arg.type)
  if (user?.kind === 'enum') return `${quoteLiteral(user.labels[0] ?? '')}::${type}`
  if (arg.type.endsWith('[]')) return `${spread}'{}'::${type}`
  if (arg.type === 'text') return `${quoteLiteral(knownValue(arg.name, routine, scene) ?? 'attack-on-isolation')}::text`
  return samples[arg.type.replace(/\(.*\)/, '')] ?? `null::${type}`
}

/** Where a column of that name in the function's schema takes listed values only, the first of them. */
function knownValue(argument: string, routine: Routine, scene: Scene): string | null {
  const column = stemOf(argument)
  for (const table of scene.context.tables) {
    const value = table.schema === routine.schema && table.columns.has(column) ? listedValue(column, table) : null
    if (value !== null) return value
  }
  return null
}

/** `p_status` speaks of `status`. */
function stemOf(argument: string): string {
  return argument.replace(/^[pvi]_/, '')
}

/** A plausible value of each common type; other types get null. */
const samples: Readonly<Record<string, string>> = {
  'character varying': `'attack'::varchar`,
  boolean: 'true',
  integer: '1',
  bigint: '1::bigint',
  smallint: '1::smallint',
  numeric: '1::numeric',
  date: 'current_date',
  'timestamp with time zone': 'now()',
  interval: `interval '1 hour'`,
  jsonb: `'{}'::jsonb`,
  json: `'{}'::json`,
  bytea: `'\\x00'::bytea`,
}

/** Names of the input arguments, from the text that PostgreSQL prints: `p_slot uuid, p_at timestamptz DEFAULT now()`. */
function argumentsOf(routine: Routine): Argument[] {
  const texts = splitArguments(routine.arguments).filter((text) => !/^(OUT|TABLE) /i.test(text))
  return routine.argumentTypes.map((type, index) => {
    const text = (texts[index] ?? '').replace(/^(IN|INOUT) /i, '')
    const variadic = /^VARIADIC /i.test(text)
    const rest = text.replace(/^VARIADIC /i, '')
    const name = rest.startsWith(type) ? '' : (/^"?([A-Za-z_][A-Za-z0-9_]*)"? /.exec(rest)?.[1] ?? '')
    return { name, type, variadic }
  })
}

/** Splits at commas outside quotes and parentheses. */
export function splitArguments(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let quoted = false
  let part = ''
  for (const char of text) {
    if (char === "'") quoted = !quoted
    if (!quoted && (char === '(' || char === '[')) depth += 1
    if (!quoted && (char === ')' || char === ']')) depth -= 1
    if (char === ',' && depth === 0 && !quoted) {
      parts.push(part.trim())
      part = ''
    } else part += char
  }
  if (part.trim() !== '') parts.push(part.trim())
  return parts
}
