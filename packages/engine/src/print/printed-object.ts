/** The kinds of statements that a schema is printed in; a section of a script each. */
export const SECTIONS = [
  'schemas',
  'extensions',
  'roles',
  'types',
  'sequences',
  'functions',
  'tables',
  'indexes',
  'constraints',
  'views',
  'triggers',
  'policies',
  'grants',
  'comments',
  'other',
] as const

export type Section = (typeof SECTIONS)[number]

/** An object of a catalog as SQL. */
export interface PrintedObject {
  /** As differences name it: `table a.b`, `index i on a.b`, `function a.f(text)`. */
  readonly object: string
  /** First word of `object`. */
  readonly kind: string
  /** Empty for what lives outside schemas (roles, extensions). */
  readonly schema: string
  readonly section: Section
  /** One or more statements, each with its semicolon. */
  readonly sql: string
}

/** An object before it has its place: `phase` is where it would like to stand. */
export interface UnplacedObject extends Omit<PrintedObject, 'sql'> {
  readonly phase: Phase
  /** Without semicolons. */
  readonly statements: readonly string[]
  /** `schema.table` that it is a part of (constraints, indexes, triggers, policies, rules), null for whole objects. */
  readonly owner: string | null
  /** Names that later objects ask for: `schema.table`, `schema.function`. */
  readonly defines: readonly string[]
  /** Names that must be there first and that the statements do not tell. */
  readonly needs: readonly string[]
}

/** The order in which PostgreSQL accepts a schema, dependencies inside and across aside. */
export const PHASES = [
  'roles',
  'schemas',
  'extensions',
  'early others',
  'types',
  'sequences',
  'functions',
  'operators',
  'tables',
  'sequence owners',
  'indexes',
  'foreign keys',
  'views',
  'late functions',
  'view indexes',
  'rules',
  'triggers',
  'policies',
  'other',
  'owners',
  'grants',
  'default privileges',
  'comments',
  'event triggers',
] as const

export type Phase = (typeof PHASES)[number]

/** Fills in what most objects leave empty. */
export function unplaced(
  object: string,
  schema: string,
  place: { readonly section: Section; readonly phase: Phase },
  statements: readonly string[],
  names: Partial<Pick<UnplacedObject, 'defines' | 'needs' | 'owner'>> = {},
): UnplacedObject {
  const kind = object.slice(0, object.indexOf(' '))
  return { object, kind, schema, ...place, statements, owner: null, defines: [], needs: [], ...names }
}
