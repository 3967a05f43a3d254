/** One thing broken, and the rule that promises that it is whole. */
export interface Defect {
  /** What is wrong with the database after it, in a few words. */
  readonly name: string
  /** Id of the rule that must report it; other rules may as well. */
  readonly rule: string
  /** Statements, each ended by a semicolon at the end of a line; run as superuser on the demo database. */
  readonly sql: string
}

/** A change that breaks nothing: no rule may fail after it that did not fail before. */
export interface Harmless {
  readonly name: string
  readonly sql: string
}

/** Statements that no trigger and no foreign key stops: how rows get that the database would have refused. */
export function pastTriggers(sql: string): string {
  return `set local session_replication_role = replica;\n${sql}\nset local session_replication_role = origin;`
}

/** Statements of a request that a tenant of the demo makes: operations and triggers ask whose request it is. */
export function asTenant(sql: string): string {
  return `
select core.begin_request('da000000-0000-7000-8000-000000000000', 'da000000-0005-7000-8000-000000000001', 'admin', 'HOPERAT', null);
${sql}
select set_config('app.tenant_id', '', true);`
}
