/** Where names without a schema are, unless the files say otherwise. */
const DEFAULT_SCHEMA = 'public'

/** `schema.name` of a RangeVar. */
export function relationKey(
  relation: { schemaname?: string; relname?: string } | undefined,
  schema = DEFAULT_SCHEMA,
): string {
  return `${relation?.schemaname ?? schema}.${relation?.relname ?? ''}`
}

/** `schema.name` of a list of names: a type, a function. */
export function typeKey(names: readonly string[], schema = DEFAULT_SCHEMA): string {
  return names.length > 1 ? names.slice(-2).join('.') : `${schema}.${names[0] ?? ''}`
}
