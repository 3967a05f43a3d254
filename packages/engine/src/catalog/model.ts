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
  /** Extended statistics, keyed by `schema.name`. */
  readonly statistics: Map<string, Statistics>
  readonly publications: Map<string, Publication>
  readonly eventTriggers: Map<string, EventTrigger>
  /** What ALTER DEFAULT PRIVILEGES left behind, one entry for an owner, schema and type of object. */
  readonly defaultPrivileges: DefaultPrivilege[]
  /** Keyed by `kind schema.name`: kinds that the model does not take apart. */
  readonly others: Map<string, OtherObject>
  /** What the files made and then dropped, renamed or moved, by its old name; empty for a live catalog. */
  readonly gone: Map<string, Gone>
  /** Statements of files whose effect could not be told; empty for a live catalog. */
  readonly unknown: UnknownEffect[]
}

/** A statement that may have changed anything: a DO block, a call without a known effect. */
export interface UnknownEffect {
  readonly position: SourcePosition
  /** `do block`, `call of core.setup`. */
  readonly reason: string
  /** Its source, or that of the file that does not parse: the names in it may mean anything. */
  readonly text: string
}

/** Where a definition stands in the source; absent for objects read from a live database. */
export interface SourcePosition {
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** Counted from 1. */
  readonly column: number
}

/** The end of a name: keyed by `schema.table`, `schema.table.column`, `schema.function(types)`. */
export interface Gone {
  readonly how: 'dropped' | 'renamed' | 'moved'
  /** The name that it has now, null when it was dropped. */
  readonly to: string | null
  /** Where that happened. */
  readonly position: SourcePosition
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
  /** How it is in those of them in which it is not as usual: it may use and become the group, and not hand it on. */
  readonly memberships: Readonly<Record<string, Membership>>
  /**
   * Who put it into each group, null for the server's first superuser: from PostgreSQL 16 on every one of them ends his own
   * grant alone. Absent for files; it is no difference.
   */
  readonly grantors?: Readonly<Record<string, readonly (string | null)[]>>
  readonly position?: SourcePosition
}

/** The options of a role's membership; before PostgreSQL 16 `inherit` is that of the role, and `set` is always true. */
export interface Membership {
  readonly admin: boolean
  readonly inherit: boolean
  readonly set: boolean
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
  readonly attributes: Attribute[]
  /** Default of a domain. */
  readonly default: string | null
  /** Collation of a domain or range where it is not that of its base. */
  readonly collation: string | null
}

export interface Attribute {
  readonly name: string
  readonly type: string
  readonly comment: string | null
}

/** How a sequence counts. Numbers are texts, they may exceed what JavaScript counts to. */
export interface SequenceOptions {
  readonly start: string
  readonly increment: string
  readonly minimum: string
  readonly maximum: string
  readonly cache: string
  readonly cycle: boolean
}

export interface Sequence extends CatalogObject, SequenceOptions {
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
  readonly rules: Map<string, RewriteRule>
  rlsEnabled: boolean
  rlsForced: boolean
  unlogged: boolean
  /** `range (occurred_at)`, null for a table that is not partitioned. */
  readonly partitionKey: string | null
  /** The partitioned table that this one is a partition of. */
  readonly partitionOf: string | null
  /** `for values from (...) to (...)` or `default`. */
  readonly partitionBound: string | null
  /** Tables that this one inherits from (`inherits (..)`, not partitions), in order. */
  readonly inherits: string[]
  /** Storage parameters, sorted: `fillfactor=70`. */
  readonly options: string[]
  /** `default`, `full`, `nothing`, or `index NAME`. */
  readonly replicaIdentity: string
}

export interface Column {
  readonly name: string
  /** Position counted from 1. */
  readonly ordinal: number
  /** As format_type prints it: `numeric(14,2)`, `timestamp with time zone`, `auth.user_role`. */
  readonly type: string
  notNull: boolean
  /** The NOT NULL constraint that holds for new rows alone (PostgreSQL 18), null where all rows were looked at or may be null. */
  unvalidatedNotNull: string | null
  default: string | null
  readonly identity: 'always' | 'by default' | null
  readonly generated: string | null
  readonly collation: string | null
  /** The sequence behind an identity column. */
  readonly identitySequence: IdentitySequence | null
  /** `plain`, `external`, `extended`, `main`; null for the type's own. */
  readonly storage: string | null
  /** `pglz`, `lz4`; null for the server's own. */
  readonly compression: string | null
  /** Statistics target, null for the server's own. */
  readonly statistics: number | null
  /** Planner's options, sorted: `n_distinct=-0.5`. */
  readonly options: string[]
  comment: string | null
  readonly position?: SourcePosition
  /** Where its `unvalidatedNotNull` is added. */
  notNullPosition?: SourcePosition | undefined
}

export interface IdentitySequence extends SequenceOptions {
  /** `schema.name`. */
  readonly name: string
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
  /** Tables (`schema.table`) on which the triggers behind a foreign key do not fire; absent where all of them do. */
  readonly disabledOn?: readonly string[]
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
  /** Storage parameters, sorted: `fillfactor=70`. */
  readonly options: string[]
  valid: boolean
  comment: string | null
  readonly position?: SourcePosition
}

export interface IndexKey {
  readonly column: string | null
  readonly expression: string | null
  readonly operatorClass: string | null
  /** Where it is not that of the column or expression. */
  readonly collation: string | null
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
  readonly deferrable: boolean
  readonly initiallyDeferred: boolean
  enabled: Enabled
  comment: string | null
  readonly position?: SourcePosition
}

/** When triggers and rules fire: in sessions of origin, on replicas, in both, never. */
export type Enabled = 'origin' | 'always' | 'replica' | 'disabled'

/** CREATE RULE. */
export interface RewriteRule {
  readonly name: string
  /** `create rule ..` */
  readonly definition: string
  enabled: Enabled
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
  readonly triggers: Map<string, Trigger>
  readonly rules: Map<string, RewriteRule>
  /** Comments on its columns, by name. */
  readonly columnComments: Record<string, string>
  /** What an insert into it puts into its columns, by name (ALTER VIEW .. ALTER COLUMN .. SET DEFAULT). */
  readonly columnDefaults: Record<string, string>
  /** All of its options, sorted: `security_invoker=true`. */
  readonly options: string[]
  /** Tables, views and functions of user schemas that its query names, sorted. */
  readonly dependencies: string[]
  /** False for a materialized view that was never filled. */
  readonly withData: boolean
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
  /** Planner's estimates, null for PostgreSQL's own. */
  readonly cost: number | null
  readonly rows: number | null
  /** `create aggregate ..` for an aggregate, null for others. */
  readonly definition: string | null
}

export interface Statistics {
  readonly schema: string
  readonly name: string
  /** `schema.table`. */
  readonly table: string
  /** Sorted: `dependencies`, `mcv`, `ndistinct`; empty for one expression. */
  readonly kinds: string[]
  /** Columns, then expressions. */
  readonly expressions: string[]
  comment: string | null
  owner: string | null
  readonly position?: SourcePosition
}

export interface Publication {
  readonly name: string
  readonly allTables: boolean
  /** Sorted by table. */
  readonly tables: PublishedTable[]
  /** Sorted. */
  readonly schemas: string[]
  /** Sorted: `delete`, `insert`, `truncate`, `update`. */
  readonly publishes: string[]
  readonly viaRoot: boolean
  comment: string | null
  owner: string | null
  readonly position?: SourcePosition
}

export interface PublishedTable {
  /** `schema.table`. */
  readonly table: string
  /** Null for all columns. */
  readonly columns: string[] | null
  readonly where: string | null
}

export interface EventTrigger {
  readonly name: string
  readonly event: string
  /** Sorted; empty for all. */
  readonly tags: string[]
  /** `schema.function`. */
  readonly function: string
  enabled: Enabled
  comment: string | null
  owner: string | null
  readonly position?: SourcePosition
}

/** What new objects of an owner start with, in one schema or (null) in all. */
export interface DefaultPrivilege {
  /** Null for whoever runs the files. */
  readonly owner: string | null
  readonly schema: string | null
  readonly objectType: 'table' | 'sequence' | 'function' | 'type' | 'schema'
  readonly grants: Grant[]
}

export interface OtherObject {
  /** `collation`, `cast`, `operator`, `operator class`, `foreign server`, .. */
  readonly kind: string
  /** Empty for kinds outside schemas. */
  readonly schema: string
  readonly name: string
  /** SQL that makes it; null where a live server cannot print that. */
  readonly definition: string | null
  /**
   * Digests of what its definition does not tell, by name: `option password` of a user mapping, `mapping of word` of a text
   * search configuration. Only one process can compare them. Null for files, and where the values may not be seen.
   */
  readonly digests: Readonly<Record<string, string>> | null
  comment: string | null
  /** Of the kinds in `OTHER_RIGHTS`; empty for others. */
  grants: Grant[]
  readonly position?: SourcePosition
}

/** What is granted on the kinds that are kept whole: a foreign table has the rights of tables. */
export const OTHER_RIGHTS: Readonly<Record<string, ObjectWithRights>> = {
  'base type': 'type',
  'foreign data wrapper': 'foreign data wrapper',
  'foreign server': 'foreign server',
  'foreign table': 'table',
  language: 'language',
}

export type ObjectWithRights = DefaultPrivilege['objectType'] | 'foreign data wrapper' | 'foreign server' | 'language'

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
    statistics: new Map(),
    publications: new Map(),
    eventTriggers: new Map(),
    defaultPrivileges: [],
    others: new Map(),
    gone: new Map(),
    unknown: [],
  }
}

/** The key of an object in a catalog's maps. */
export function qualifiedName(schema: string, name: string): string {
  return `${schema}.${name}`
}
