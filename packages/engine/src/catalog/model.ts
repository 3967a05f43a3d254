/**
 * The one model of a database schema. Files fold into it, a live server is read into it, and verify, diff, docs and
 * code generation work on it. Plain data: maps keyed by qualified name (`schema.name`), everything printable as JSON.
 *
 * Expressions are kept as canonical text, so that the same definition from a file and from pg_catalog compares equal.
 */
export interface Catalog {
  readonly schemas: Map<string, Schema>
  readonly extensions: Map<string, Extension>
  readonly roles: Map<string, Role>
  readonly types: Map<string, UserType>
  readonly sequences: Map<string, Sequence>
  readonly tables: Map<string, Table>
  readonly views: Map<string, View>
  /** Keyed by `schema.name(argument types)`. */
  readonly functions: Map<string, Routine>
  /** Statements of files whose effect could not be told; empty for a live catalog. */
  readonly unknown: UnknownEffect[]
}

/** A statement that may have changed anything: a DO block, a call without a known effect. */
export interface UnknownEffect {
  readonly position: SourcePosition
  /** `do block`, `call of core.setup`. */
  readonly reason: string
}

/** Where a definition stands in the source; absent for objects read from a live database. */
export interface SourcePosition {
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** Counted from 1. */
  readonly column: number
}

interface CatalogObject {
  readonly name: string
  readonly schema: string
  comment: string | null
  owner: string | null
  grants: Grant[]
  readonly position?: SourcePosition
}

export interface Schema extends Omit<CatalogObject, 'schema'> {}

export interface Extension {
  readonly name: string
  readonly schema: string
  readonly version: string | null
  readonly position?: SourcePosition
}

export interface Role {
  readonly name: string
  readonly login: boolean
  readonly superuser: boolean
  readonly bypassRls: boolean
  readonly inherit: boolean
  /** Roles that this one is a member of, sorted. */
  readonly memberOf: string[]
  readonly position?: SourcePosition
}

export interface Grant {
  /** Role name, or `public`. */
  readonly grantee: string
  readonly privilege: string
  /** Column name when the privilege is on one column. */
  readonly column: string | null
  readonly grantable: boolean
}

export interface UserType extends CatalogObject {
  readonly kind: 'enum' | 'domain' | 'composite' | 'range'
  /** Labels of an enum in order; empty for other kinds. */
  readonly labels: string[]
  /** Base type of a domain, subtype of a range. */
  readonly base: string | null
  readonly notNull: boolean
  /** Check expressions of a domain. */
  readonly checks: Constraint[]
  /** Fields of a composite type in order; empty for other kinds. */
  readonly attributes: { readonly name: string; readonly type: string }[]
}

export interface Sequence extends CatalogObject {
  readonly type: string
  /** `schema.table.column` that owns it, null for a free one. */
  readonly ownedBy: string | null
}

export interface Table extends CatalogObject {
  readonly columns: Map<string, Column>
  readonly constraints: Map<string, Constraint>
  readonly indexes: Map<string, Index>
  readonly policies: Map<string, Policy>
  readonly triggers: Map<string, Trigger>
  rlsEnabled: boolean
  rlsForced: boolean
  unlogged: boolean
  /** `range (occurred_at)`, null for a table that is not partitioned. */
  readonly partitionKey: string | null
  /** The partitioned table that this one is a partition of. */
  readonly partitionOf: string | null
  /** `for values from (...) to (...)` or `default`. */
  readonly partitionBound: string | null
}

export interface Column {
  readonly name: string
  /** Position counted from 1. */
  readonly ordinal: number
  /** As format_type prints it: `numeric(14,2)`, `timestamp with time zone`, `auth.user_role`. */
  readonly type: string
  notNull: boolean
  default: string | null
  readonly identity: 'always' | 'by default' | null
  readonly generated: string | null
  readonly collation: string | null
  comment: string | null
}

export interface Constraint {
  readonly name: string
  readonly kind: 'primary key' | 'unique' | 'foreign key' | 'check' | 'exclude' | 'not null'
  /** Columns in key order; for a check the columns it reads, sorted. */
  readonly columns: string[]
  /** As pg_get_constraintdef prints it, lower-cased keywords aside: the canonical text that is compared. */
  readonly definition: string
  /** `schema.table` that a foreign key points to. */
  readonly references: string | null
  readonly referencedColumns: string[]
  readonly onDelete: 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default' | null
  readonly onUpdate: 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default' | null
  readonly deferrable: boolean
  readonly initiallyDeferred: boolean
  validated: boolean
  comment: string | null
  readonly position?: SourcePosition
}

export interface Index {
  readonly name: string
  readonly unique: boolean
  /** True when the index belongs to a primary key, unique or exclusion constraint. */
  readonly fromConstraint: boolean
  readonly method: string
  /** Column name, or the canonical text of an expression. */
  readonly keys: IndexKey[]
  readonly include: string[]
  readonly predicate: string | null
  readonly nullsNotDistinct: boolean
  valid: boolean
  comment: string | null
  readonly position?: SourcePosition
}

export interface IndexKey {
  readonly column: string | null
  readonly expression: string | null
  readonly operatorClass: string | null
  readonly descending: boolean
  readonly nullsFirst: boolean
}

export interface Policy {
  readonly name: string
  readonly permissive: boolean
  readonly command: 'all' | 'select' | 'insert' | 'update' | 'delete'
  /** Role names, `public` for everybody; sorted. */
  readonly roles: string[]
  readonly using: string | null
  readonly withCheck: string | null
  comment: string | null
  readonly position?: SourcePosition
}

export interface Trigger {
  readonly name: string
  readonly timing: 'before' | 'after' | 'instead of'
  /** Sorted: `delete`, `insert`, `truncate`, `update`. */
  readonly events: string[]
  readonly level: 'row' | 'statement'
  /** `schema.function`. */
  readonly function: string
  readonly arguments: string[]
  readonly when: string | null
  readonly updateColumns: string[]
  readonly oldTable: string | null
  readonly newTable: string | null
  readonly constraint: boolean
  enabled: 'origin' | 'always' | 'replica' | 'disabled'
  comment: string | null
  readonly position?: SourcePosition
}

export interface View extends CatalogObject {
  readonly materialized: boolean
  readonly definition: string
  readonly columns: string[]
  readonly securityInvoker: boolean
  readonly securityBarrier: boolean
  readonly checkOption: 'local' | 'cascaded' | null
  readonly indexes: Map<string, Index>
}

export interface Routine extends CatalogObject {
  readonly kind: 'function' | 'procedure' | 'aggregate'
  /** Types of the input arguments, as format_type prints them. */
  readonly argumentTypes: string[]
  /** `pg_get_function_arguments` text. */
  readonly arguments: string
  readonly returns: string
  readonly language: string
  readonly volatility: 'immutable' | 'stable' | 'volatile'
  readonly parallel: 'safe' | 'restricted' | 'unsafe'
  readonly securityDefiner: boolean
  readonly strict: boolean
  readonly leakproof: boolean
  /** `set` clauses: `search_path=""`. */
  readonly settings: string[]
  readonly body: string
}

export function emptyCatalog(): Catalog {
  return {
    schemas: new Map(),
    extensions: new Map(),
    roles: new Map(),
    types: new Map(),
    sequences: new Map(),
    tables: new Map(),
    views: new Map(),
    functions: new Map(),
    unknown: [],
  }
}

/** The key of an object in a catalog's maps. */
export function qualifiedName(schema: string, name: string): string {
  return `${schema}.${name}`
}
