import { createRequire } from 'node:module'
import type { ErrorObject, ValidateFunction } from 'ajv'
import { ConfigError } from '../errors.ts'
import type { Config } from './config.ts'

const load = createRequire(import.meta.url)

let validate: ValidateFunction | undefined

/** What a config file holds, if imhotep.schema.json allows it. Regular expressions may be written as such. */
export function checkConfig(file: string, value: unknown): Config & { readonly $schema?: string } {
  const plain = withoutRegExps(value)
  validate ??= compile()
  if (!validate(plain)) throw new ConfigError(file, reasonOf(validate.errors ?? []))
  return plain as Config
}

/** Loaded here: commands of projects without a config file do not wait for it. */
function compile(): ValidateFunction {
  const { Ajv } = load('ajv') as typeof import('ajv')
  const schema = load('imhotep/imhotep.schema.json') as object
  const formats = { regex: isRegExp }
  return new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true, formats }).compile(schema)
}

function withoutRegExps(value: unknown): unknown {
  if (value instanceof RegExp) return value.source
  if (Array.isArray(value)) return value.map(withoutRegExps)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, withoutRegExps(own)]))
}

function isRegExp(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp
  } catch {
    return false
  }
}

/** Every mistake, each with the place of the setting: `policy.tables[0].scope must be one of ...`. */
function reasonOf(errors: readonly ErrorObject[]): string {
  return [...new Set(errors.map(describe))].join('; ')
}

function describe({ instancePath, keyword, params, message, parentSchema }: ErrorObject): string {
  const place = placeOf(instancePath)
  const given = params as Record<string, unknown>
  if (keyword === 'additionalProperties') {
    const known = Object.keys((parentSchema?.['properties'] ?? {}) as object)
    const name = [place, String(given['additionalProperty'])].filter((part) => part !== '').join('.')
    const near = nearest(String(given['additionalProperty']), known)
    return `unknown setting '${name}'${near === undefined ? '' : `, did you mean '${near}'?`}`
  }
  if (place === '') return 'not an object of settings'
  if (keyword === 'required') return `'${place}' must say '${String(given['missingProperty'])}'`
  if (keyword === 'enum') return `'${place}' must be one of ${(given['allowedValues'] as unknown[]).join(', ')}`
  if (keyword === 'format') return `'${place}' must be a regular expression`
  if (keyword === 'type') return `'${place}' must be ${[given['type']].flat().map(kindOf).join(' or ')}`
  return `'${place}' ${message ?? 'is wrong'}`
}

/** `/policy/tables/0/scope` as people write it. */
function placeOf(pointer: string): string {
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((place, part) => (/^\d+$/.test(part) ? `${place}[${part}]` : place === '' ? part : `${place}.${part}`), '')
}

function kindOf(type: unknown): string {
  const kinds: Readonly<Record<string, string>> = {
    string: 'a text',
    array: 'a list',
    object: 'an object of settings',
    boolean: 'true or false',
    integer: 'a whole number',
  }
  return kinds[String(type)] ?? String(type)
}

/** A known name that begins alike or differs by case, ends or one letter. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const small = name.toLowerCase()
  return known.find((own) => {
    const other = own.toLowerCase()
    return other.startsWith(small) || small.startsWith(other)
  })
}
