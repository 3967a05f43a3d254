/**
 * What a schema promises, in the words of its authors: which column says whose row it is, which function knows the
 * tenant of the request, which comment tags carry the classes. The engine knows no convention but this record.
 */
export interface VerifyPolicy {
  /** The column that says whose row it is. */
  readonly tenantColumn: string
  /** Type of that column. */
  readonly tenantType: string
  /** The table that has one row a tenant; its `id` is what `tenantColumn` holds. A schema may have none. */
  readonly rootTable: string
  /** What is known of tables whose comments carry no tags. For each property the first entry that states it counts. */
  readonly tables: readonly TablePolicy[]
  /** Function that gives the tenant of the request; policies compare with it and nothing else. */
  readonly contextFunction: string
  /** SQL that gives it, where no function does: `current_setting('app.tenant_id', true)::uuid`. Null: a call of `contextFunction`. */
  readonly contextExpression: string | null
  /** Setting that holds the tenant of the request. */
  readonly contextSetting: string
  /** Function that applications call first in a transaction; its tenant argument is trusted, so it is not attacked. */
  readonly beginFunction: string
  /** Name of the policy that isolates tenants; `*` stands for any text. */
  readonly isolationPolicy: string
  /** Policy that makes rows without a tenant readable, on tables with `scope=shared` only. */
  readonly sharedPolicy: string
  /** Roles that may see every row of the root table. */
  readonly platformRoles: readonly string[]
  /** Roles that applications log in as. */
  readonly applicationRoles: readonly string[]
  /** The application role that `--attack` takes. Null: it makes one that may read and write every table, for the time it takes. */
  readonly attackRole: string | null
  /** Further settings of a request that the attack makes, so that operations do not refuse it for want of them. */
  readonly attackContext: Readonly<Record<string, string>>
  /** Permissive policies beyond these conventions, each with its reason. */
  readonly allowedPolicies: readonly AllowedPolicy[]
  /** Functions that answer across tenants on purpose, each with its reason. Keyed by `schema.name`. */
  readonly crossTenantFunctions: Readonly<Record<string, string>>
  readonly auditSchema: string
  /** Name of the audit trigger -> the event it records. */
  readonly auditTriggers: Readonly<Record<string, 'insert' | 'update' | 'delete'>>
  /** Functions (`schema.name`, `*` for any text) whose triggers record changes, whatever the triggers are called. */
  readonly auditFunctions: readonly string[]
  readonly appendOnlyFunction: string
  readonly sharedReferenceFunction: string
  readonly transitionFunction: string
  /** Table with a column `machine` (`schema.table`) that names each state machine. */
  readonly transitionTable: string
  /** Every value that the tag `class` may have. */
  readonly classes: readonly string[]
  /** Classes whose tables are audited and never deleted from by applications. */
  readonly protectedClasses: readonly string[]
  /** Column that is set when a row is taken out of use instead of deleted. */
  readonly softDeleteColumn: string
  /** `<table><suffix>` keeps former versions of the rows of `<table>`, column by column. Empty: there are no such tables. */
  readonly historySuffix: string
  /** Regular expressions that names must fit; a kind that is left out may be called anything. */
  readonly namePatterns: Readonly<Partial<Record<NamedKind, string>>>
  /** Columns that hold what nobody may read in a copy of the database. */
  readonly sensitiveColumns: readonly SensitiveColumn[]
  /** Schemas that hold nothing of ours. What extensions bring along is never looked at. */
  readonly ignoredSchemas: readonly string[]
}

/** What a config says about tables instead of their comments. */
export interface TablePolicy {
  /** `schema.table`; `*` stands for any text: `billing.*`, `*_log`, `*`. */
  readonly match: string
  /** Whose rows they are; see `Scope`. Default: tenant where the table has the tenant column, else global. */
  readonly scope?: Scope
  /** One of `classes`. */
  readonly class?: string
  readonly owner?: string
  /** How long rows are kept: `10y`. */
  readonly retention?: string
  /** Rows are never changed or deleted. */
  readonly appendOnly?: boolean
}

/** tenant: every row has a tenant. shared: rows without one are everybody's. root: a row is a tenant. global: no tenant. */
export type Scope = 'tenant' | 'shared' | 'root' | 'global'

export type NamedKind =
  'schema' | 'table' | 'view' | 'column' | 'index' | 'constraint' | 'trigger' | 'policy' | 'function'

export interface SensitiveColumn {
  /** Regular expression over column names, upper and lower case alike. */
  readonly match: string
  readonly reason: string
  /** Types that may hold it: encrypted values. Default `bytea`, `jsonb`. An empty list: it is not to be kept at all. */
  readonly types?: readonly string[]
}

export interface AllowedPolicy {
  readonly table: string
  readonly policy: string
  /** The policy is for these roles, or a part of them, only. */
  readonly roles: readonly string[]
  readonly reason: string
}

export const defaultPolicy: VerifyPolicy & { readonly attackRole: string } = {
  tenantColumn: 'tenant_id',
  tenantType: 'uuid',
  rootTable: 'core.tenants',
  tables: [],
  contextFunction: 'core.current_tenant_id',
  contextExpression: null,
  contextSetting: 'app.tenant_id',
  beginFunction: 'core.begin_request',
  isolationPolicy: 'tenant_isolation',
  sharedPolicy: 'shared_rows',
  platformRoles: ['imhotep_platform'],
  applicationRoles: ['imhotep_app', 'imhotep_ro'],
  attackRole: 'imhotep_app',
  // every row of the tenant, where users are limited to some: that layer must not hide a hole between tenants
  attackContext: {
    'app.role': 'attacker',
    'app.purpose': 'attack',
    'app.reason': 'attack',
    'app.care_scope': 'all',
  },
  allowedPolicies: [],
  crossTenantFunctions: {},
  auditSchema: 'audit',
  auditTriggers: { audit_insert: 'insert', audit_update: 'update', audit_delete: 'delete' },
  auditFunctions: [],
  appendOnlyFunction: 'core.refuse_change',
  sharedReferenceFunction: 'core.check_shared_reference',
  transitionFunction: 'core.enforce_transition',
  transitionTable: 'core.transition_rules',
  classes: ['phi', 'pii', 'financial', 'operational', 'reference'],
  protectedClasses: ['phi', 'pii', 'financial'],
  softDeleteColumn: 'deleted_at',
  historySuffix: '_history',
  namePatterns: {},
  sensitiveColumns: [],
  // bookkeeping of `imhotep split`, while services are on their way
  ignoredSchemas: ['imhotep_split'],
}
