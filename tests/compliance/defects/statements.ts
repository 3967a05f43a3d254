/**
 * A statement that replaces text in the body of a function, and fails when the text is not there. No line of the texts may
 * end with a semicolon, at which scripts are cut.
 */
export function rewrite(signature: string, from: string, to: string): string {
  return [
    `do $do$ declare d text := pg_get_functiondef($r$${signature}$r$::regprocedure)`,
    `; begin if position($a$${from}$a$ in d) = 0 then raise exception $e$the text is not there$e$`,
    `; end if; execute replace(d, $a$${from}$a$, $b$${to}$b$)`,
    '; end $do$;',
  ].join('')
}

/** Statements that triggers do not see: for rows that the operations would refuse. */
export function behindTriggers(...statements: readonly string[]): string {
  return [
    'set local session_replication_role = replica',
    ...statements.map((statement) => statement.trim().replace(/;$/, '')),
    'set local session_replication_role = origin',
    '',
  ].join(';\n')
}

/** Changes of rows of a tenant, as the installer would make them: triggers see them. */
export function asTenant(tenant: string, ...statements: readonly string[]): string {
  return [
    `select set_config('app.tenant_id', '${tenant}', true)`,
    `select set_config('app.reason', 'a test of the checker', true)`,
    ...statements.map((statement) => statement.trim().replace(/;$/, '')),
    `select set_config('app.tenant_id', '', true)`,
    '',
  ].join(';\n')
}

/** Statements of a request that the first tenant's administrator makes: operations ask who is signed in. */
export function asAdministrator(...statements: readonly string[]): string {
  return [
    `select core.begin_request('da000000-0000-7000-8000-000000000000', 'da000000-0005-7000-8000-000000000001', 'admin', 'HOPERAT', null)`,
    ...statements.map((statement) => statement.trim().replace(/;$/, '')),
    `select set_config('app.tenant_id', '', true)`,
    '',
  ].join(';\n')
}

/** An insert of copies of the rows that `where` chooses, with other values in some columns (SQL expressions). */
export function copyRows(table: string, where: string, values: Readonly<Record<string, string>>): string {
  const changes = Object.entries(values)
    .map(([column, value]) => `'${column}', ${value}`)
    .join(', ')
  return `insert into ${table} select (jsonb_populate_record(null::${table}, to_jsonb(t) || jsonb_build_object(${changes}))).* from ${table} as t where ${where}`
}
