/** What rules look at beside the schema: rows, and what a server says of its roles and databases. */
export interface Facts {
  /** `schema.table` of every state machine that has transition rules; null where the role may not read those. */
  readonly machines: readonly string[] | null
  readonly roles: readonly RolePowers[]
  readonly settings: readonly LoginSetting[]
  /** Rights to settings that only a superuser may change. */
  readonly parameterGrants: readonly ParameterGrant[]
  /** Null where there is no server. */
  readonly database: DatabaseAccess | null
}

/** What a role may do beside what the catalog says of it. */
export interface RolePowers {
  readonly name: string
  /** Sorted: `CREATEDB`, `CREATEROLE`, `REPLICATION`. */
  readonly attributes: readonly string[]
  /** Roles that it only administers: it neither has what they may do, nor can become one of them. */
  readonly administers: readonly string[]
}

/** ALTER ROLE .. SET and ALTER DATABASE .. SET, as far as this database is concerned. */
export interface LoginSetting {
  /** Null for every role. */
  readonly role: string | null
  readonly name: string
  readonly value: string
}

export interface ParameterGrant {
  /** Role name, or `public`. */
  readonly grantee: string
  readonly parameter: string
  readonly privilege: 'SET' | 'ALTER SYSTEM'
}

export interface DatabaseAccess {
  readonly name: string
  readonly owner: string
  /** Roles that may make schemas in it; `public` for everybody. */
  readonly creators: readonly string[]
}

export const noFacts: Facts = { machines: [], roles: [], settings: [], parameterGrants: [], database: null }
