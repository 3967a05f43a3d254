import type { Transaction } from '@imhotep/postgres'

/** Markers that a database may carry; the marker is set once. */
export const ENVIRONMENTS = ['development', 'test', 'staging', 'production'] as const

/** The marker of a database; null before the schema is there or when it was never set. */
export async function readEnvironment(db: Transaction): Promise<string | null> {
  const [known] = await db.query<{ known: boolean }>(
    `select to_regprocedure('core.environment()') is not null as known`,
  )
  if (known?.known !== true) return null
  const [row] = await db.query<{ environment: string | null }>('select core.environment()::text as environment')
  return longName(row?.environment ?? null)
}

/** Whether the schema is there by which a database says what it is for. */
export async function canBeMarked(db: Transaction): Promise<boolean> {
  const [row] = await db.query<{ can: boolean }>(
    `select to_regprocedure('core.set_environment(text)') is not null as can`,
  )
  return row?.can === true
}

/** Marks the database; the database refuses a second, different mark. */
export async function markEnvironment(db: Transaction, environment: string): Promise<void> {
  await db.query('select core.set_environment($1)', [environment])
}

/** Whether anybody uses the database: a new one has no tenant. */
export async function hasTenants(db: Transaction): Promise<boolean> {
  const [known] = await db.query<{ known: boolean }>(`select to_regclass('core.tenants') is not null as known`)
  if (known?.known !== true) return false
  const [row] = await db.query<{ used: boolean }>('select exists (select from core.tenants) as used')
  return row?.used === true
}

/** The database keeps `dev`; people read and type `development`. */
function longName(environment: string | null): string | null {
  return environment === 'dev' ? 'development' : environment
}
