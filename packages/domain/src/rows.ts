/** The one row of a statement that always gives one. */
export function single<T>(rows: readonly T[]): T {
  const [row, ...others] = rows
  if (row === undefined || others.length > 0) throw new Error(`expected one row, got ${rows.length}`)
  return row
}

/**
 * Plain data with camelCase keys as the JSON that SQL operations read: snake_case keys, bytes in hexadecimal as PostgreSQL
 * writes them, instants in ISO 8601. Keys without a value are left out; values deeper down stay as they are.
 */
export function toColumns(values: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [toSnakeCase(key), toColumnValue(value)]),
  )
}

function toSnakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (part) => `_${part.toLowerCase()}`)
}

function toColumnValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  if (value instanceof Date) return value.toISOString()
  return value
}
