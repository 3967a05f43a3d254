/**
 * What a schema promises, in the words of its authors: which column says whose row it is, which function knows the
 * tenant of the request, which comment tags carry the classes. The engine knows no convention but this record.
 */
export interface VerifyPolicy {
  /** The column that says whose row it is. */
  readonly tenantColumn: string
  /** The table that has one row a tenant; its `id` is what `tenantColumn` holds. */
  readonly rootTable: string
  /** Function that gives the tenant of the request; policies compare with it and nothing else. */
  readonly contextFunction: string
  /** Setting that `contextFunction` reads. */
  readonly contextSetting: string
  /** Function that applications call first in a transaction; its tenant argument is trusted, so it is not attacked. */
  readonly beginFunction: string
  readonly isolationPolicy: string
  /** Policy that makes rows without a tenant readable, on tables with `scope=shared` only. */
  readonly sharedPolicy: string
  /** Roles that may see every row of the root table. */
  readonly platformRoles: readonly string[]
  /** Roles that applications log in as. */
  readonly applicationRoles: readonly string[]
  /** The application role that `--attack` takes. */
  readonly attackRole: string
  /** Further settings of a request that the attack makes, so that operations do not refuse it for want of them. */
  readonly attackContext: Readonly<Record<string, string>>
  /** Permissive policies beyond these conventions, each with its reason. */
  readonly allowedPolicies: readonly AllowedPolicy[]
  /** Functions that answer across tenants on purpose, each with its reason. Keyed by `schema.name`. */
  readonly crossTenantFunctions: Readonly<Record<string, string>>
  readonly auditSchema: string
  /** Name of the audit trigger -> the event it records. */
  readonly auditTriggers: Readonly<Record<string, 'insert' | 'update' | 'delete'>>
  readonly appendOnlyFunction: string
  readonly sharedReferenceFunction: string
  readonly transitionFunction: string
  /** Table with a column `machine` (`schema.table`) that names each state machine. */
  readonly transitionTable: string
  /** Every value that the tag `class` may have. */
  readonly classes: readonly string[]
  /** Classes whose tables are audited and never deleted from by applications. */
  readonly protectedClasses: readonly string[]
  /** Schemas that hold nothing of ours: extensions and the server's own. */
  readonly ignoredSchemas: readonly string[]
}

export interface AllowedPolicy {
  readonly table: string
  readonly policy: string
  /** The policy is for these roles, or a part of them, only. */
  readonly roles: readonly string[]
  readonly reason: string
}

export const defaultPolicy: VerifyPolicy = {
  tenantColumn: 'tenant_id',
  rootTable: 'core.tenants',
  contextFunction: 'core.current_tenant_id',
  contextSetting: 'app.tenant_id',
  beginFunction: 'core.begin_request',
  isolationPolicy: 'tenant_isolation',
  sharedPolicy: 'shared_rows',
  platformRoles: ['imhotep_platform'],
  applicationRoles: ['imhotep_app', 'imhotep_ro'],
  attackRole: 'imhotep_app',
  attackContext: { 'app.role': 'attacker', 'app.purpose': 'attack', 'app.reason': 'attack' },
  allowedPolicies: [],
  crossTenantFunctions: {},
  auditSchema: 'audit',
  auditTriggers: { audit_insert: 'insert', audit_update: 'update', audit_delete: 'delete' },
  appendOnlyFunction: 'core.refuse_change',
  sharedReferenceFunction: 'core.check_shared_reference',
  transitionFunction: 'core.enforce_transition',
  transitionTable: 'core.transition_rules',
  classes: ['phi', 'pii', 'financial', 'operational', 'reference'],
  protectedClasses: ['phi', 'pii', 'financial'],
  ignoredSchemas: ['public'],
}
