import { quoteIdentifier, quoteLiteral } from '../bundle/quote.ts'
import type { Routine } from '../catalog/model.ts'
import { routineSignature } from './print-grants.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { dollarQuoted, lowerCase, qualified } from './sql-text.ts'

export function printRoutine(routine: Routine): UnplacedObject {
  const key = `${routine.schema}.${routine.name}`
  const object = `function ${key}(${routine.argumentTypes.join(', ')})`
  const place = { section: 'functions', phase: 'functions' } as const
  return unplaced(object, routine.schema, place, [routineStatement(routine)], { defines: [key] })
}

export function routineStatement(routine: Routine, options: { readonly replace?: boolean } = {}): string {
  const create = options.replace ? 'create or replace' : 'create'
  // A server prints an aggregate without arguments as a function's signature.
  if (routine.definition !== null) {
    return routine.definition.replace(/^create(\s+or\s+replace)?/i, create).replace(/^([^(]*)\(\)/, '$1(*)')
  }
  const returns =
    routine.kind === 'procedure' || routine.returns === '' ? [] : [`returns ${lowerCase(routine.returns)}`]
  return [
    `${create} ${routine.kind} ${qualified(routine)}(${lowerCase(routine.arguments)})`,
    ...returns,
    `language ${routine.language}`,
    ...attributes(routine),
    ...routine.settings.map(settingClause),
    bodyClause(routine),
  ].join('\n')
}

function attributes(routine: Routine): string[] {
  const words = [
    ...(routine.volatility === 'volatile' ? [] : [routine.volatility]),
    ...(routine.strict ? ['strict'] : []),
    ...(routine.leakproof ? ['leakproof'] : []),
    ...(routine.securityDefiner ? ['security definer'] : []),
    ...(routine.parallel === 'unsafe' ? [] : [`parallel ${routine.parallel}`]),
    ...(routine.cost === null ? [] : [`cost ${routine.cost}`]),
    ...(routine.rows === null ? [] : [`rows ${routine.rows}`]),
  ]
  return words.length === 0 ? [] : [words.join(' ')]
}

/** Settings that hold a list of names, each quoted by itself. */
const LISTS = new Set(['search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries'])

/** `search_path=""` -> `set search_path to ''`. */
export function settingClause(setting: string): string {
  const at = setting.indexOf('=')
  const [name, value] = [setting.slice(0, at), setting.slice(at + 1)]
  const texts = LISTS.has(name) ? listedNames(value).map(quoteLiteral).join(', ') : quoteLiteral(value)
  return `set ${name
    .split('.')
    .map((part) => quoteIdentifier(part.toLowerCase()))
    .join('.')} to ${texts}`
}

/** `"$user", public` -> `$user`, `public`. */
function listedNames(value: string): string[] {
  return [...value.matchAll(/"((?:[^"]|"")*)"|[^\s,"]+/g)].map(
    ([word, quoted]) => quoted?.replaceAll('""', '"') ?? word,
  )
}

function bodyClause({ language, body }: Routine): string {
  if (language === 'sql' && /^\s*(begin\s+atomic|return)\b/i.test(body)) return lowerCase(body.trim())
  if (language === 'c' || language === 'internal') return `as ${quoteLiteral(body)}`
  return `as ${dollarQuoted(body)}`
}

/** `function a.f(text)`, `procedure a.p()`, `aggregate a.g(integer)`: what stands behind COMMENT ON, ALTER, DROP. */
export function routineTarget(routine: Routine): string {
  return `${routine.kind} ${routineSignature(routine)}`
}
