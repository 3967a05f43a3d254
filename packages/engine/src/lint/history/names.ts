/** Where unqualified names are made and found unless the history says otherwise. */
const DEFAULT_SCHEMA = 'public'

/** `schema.name` of a RangeVar. */
export function relationKey(relation: { schemaname?: string; relname?: string } | undefined): string {
  return `${relation?.schemaname ?? DEFAULT_SCHEMA}.${relation?.relname ?? ''}`
}

/** `schema.name` of a list of names: a type, a function. */
export function typeKey(names: readonly string[]): string {
  return names.length > 1 ? names.slice(-2).join('.') : `${DEFAULT_SCHEMA}.${names[0] ?? ''}`
}
