import { quoteIdentifier, quoteLiteral } from '../../bundle/quote.ts'
import type { VerifyPolicy } from '../../verify/policy.ts'
import { add, type Drafting } from './addition.ts'
import { quoteKey } from '../../print/sql-text.ts'
import { schemaOf } from './names.ts'

/**
 * What tenancy stands on: the table of tenants, the function that sets the tenant of a transaction and the one that reads
 * it. Names are the policy's; a schema that has an object keeps its own.
 */
export function addTenantKernel(draft: Drafting): void {
  const { catalog, policy } = draft
  addRole(draft, applicationRole(policy))
  if (policy.contextExpression === null) addSchema(draft, schemaOf(policy.contextFunction))
  addSchema(draft, schemaOf(policy.rootTable))
  addSchema(draft, schemaOf(policy.beginFunction))
  if (policy.contextExpression === null)
    addFunction(draft, 'tenant-policy', policy.contextFunction, '', currentTenant(policy))
  addFunction(
    draft,
    'tenant-policy',
    policy.beginFunction,
    `${policy.tenantType}, uuid, text, text, uuid, jsonb`,
    beginRequest(policy),
  )
  if (!catalog.tables.has(policy.rootTable)) addRootTable(draft)
  addFunction(draft, 'tenant-column', fillFunction(policy), '', fillTenant(policy))
}

/** Where the evidence goes: a table that nobody can change, written by triggers that run as a role of their own. */
export function addAuditKernel(draft: Drafting): void {
  const { catalog, policy } = draft
  addRole(draft, applicationRole(policy))
  addRole(draft, AUDIT_WRITER)
  addSchema(draft, policy.auditSchema)
  addSchema(draft, schemaOf(policy.appendOnlyFunction))
  addFunction(draft, 'append-only', policy.appendOnlyFunction, '', refuseChange(policy))
  addFunction(draft, 'audit-coverage', touchFunction(policy), '', touchRow(policy))
  const log = `${policy.auditSchema}.audit_logs`
  if (!catalog.tables.has(log)) addAuditTable(draft, log)
  const name = recordFunction(policy)
  if (hasFunction(draft, name)) return
  const schema = quoteIdentifier(policy.auditSchema)
  add(draft, 'audit-coverage', `schema ${policy.auditSchema}`, `grant usage on schema ${schema} to ${AUDIT_WRITER}`)
  addFunction(draft, 'audit-coverage', name, '', recordChange(policy))
  const object = `function ${name}()`
  add(draft, 'definer-search-path', object, `alter function ${quoteKey(name)}() owner to ${AUDIT_WRITER}`)
  add(draft, 'grants', object, `revoke execute on function ${quoteKey(name)}() from public`)
}

/** What a row of nobody is logged for. */
const NOBODY = `'00000000-0000-0000-0000-000000000000'`

function isUuid({ tenantType }: VerifyPolicy): boolean {
  return tenantType === 'uuid'
}

/** The role that the application works as. */
export function applicationRole({ attackRole, applicationRoles }: VerifyPolicy): string {
  return attackRole ?? applicationRoles[0] ?? 'imhotep_app'
}

/** SQL for the tenant of the request. */
export function tenantOfRequest({ contextExpression, contextFunction }: VerifyPolicy): string {
  return contextExpression ?? `${quoteKey(contextFunction)}()`
}

/** The role that alone may insert into the log. */
const AUDIT_WRITER = 'audit_writer'

export function fillFunction(policy: VerifyPolicy): string {
  return `${schemaOf(policy.beginFunction)}.fill_tenant`
}

export function touchFunction(policy: VerifyPolicy): string {
  return `${schemaOf(policy.appendOnlyFunction)}.touch_row`
}

export function recordFunction(policy: VerifyPolicy): string {
  return `${policy.auditSchema}.record_change`
}

/** Roles belong to the server: another database of it may have made this one. */
export function addRole(draft: Drafting, role: string): void {
  const object = `role ${role}`
  if (draft.catalog.roles.has(role) || draft.additions.some((addition) => addition.object === object)) return
  add(
    draft,
    'application-roles',
    object,
    `do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = ${quoteLiteral(role)}) then
    create role ${quoteIdentifier(role)} nologin nosuperuser nocreatedb nocreaterole nobypassrls;
  end if;
end
$$`,
  )
}

function addSchema(draft: Drafting, schema: string): void {
  const object = `schema ${schema}`
  if (draft.catalog.schemas.has(schema) || draft.additions.some((addition) => addition.object === object)) return
  const name = quoteIdentifier(schema)
  const role = quoteIdentifier(applicationRole(draft.policy))
  add(draft, 'grants', object, `create schema if not exists ${name}`, `grant usage on schema ${name} to ${role}`)
}

function addFunction(draft: Drafting, rule: string, name: string, types: string, sql: string): void {
  if (!hasFunction(draft, name)) add(draft, rule, `function ${name}(${types})`, sql)
}

function hasFunction({ catalog }: Drafting, name: string): boolean {
  return [...catalog.functions.keys()].some((signature) => signature.startsWith(`${name}(`))
}

function currentTenant(policy: VerifyPolicy): string {
  return `create function ${quoteKey(policy.contextFunction)}() returns ${policy.tenantType}
  language sql
  stable
  parallel safe
as $$ select nullif(current_setting(${quoteLiteral(policy.contextSetting)}, true), '')::${policy.tenantType} $$`
}

/** The arguments are those of the kernel's withTenant(). */
function beginRequest(policy: VerifyPolicy): string {
  const setting = quoteLiteral(policy.contextSetting)
  return `create function ${quoteKey(policy.beginFunction)}(
  p_tenant ${policy.tenantType},
  p_user uuid default null,
  p_role text default null,
  p_purpose text default null,
  p_request_id uuid default null,
  p_details jsonb default '{}'
) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_current text := nullif(pg_catalog.current_setting(${setting}, true), '');
begin
  if p_tenant is null then
    raise exception 'no tenant given' using errcode = 'IM003', hint = 'pass the tenant of the signed-in user';
  end if;
  if v_current <> p_tenant::text then
    raise exception 'this transaction already works for another tenant'
      using errcode = 'IM006', hint = 'begin a new transaction for each tenant';
  end if;
  perform pg_catalog.set_config(${setting}, p_tenant::text, true),
    pg_catalog.set_config('app.user_id', coalesce(p_user::text, ''), true),
    pg_catalog.set_config('app.role', coalesce(p_role, ''), true),
    pg_catalog.set_config('app.purpose', coalesce(p_purpose, ''), true),
    pg_catalog.set_config('app.request_id', coalesce(p_request_id::text, ''), true),
    pg_catalog.set_config('app.reason', coalesce(p_details ->> 'reason', ''), true);
end
$$`
}

/** Statements that an application already has do not name the tenant: the row then belongs to that of the transaction. */
function fillTenant(policy: VerifyPolicy): string {
  const column = quoteIdentifier(policy.tenantColumn)
  return `create function ${quoteKey(fillFunction(policy))}() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.${column} is null then
    new.${column} := ${tenantOfRequest(policy)};
  end if;
  return new;
end
$$`
}

function addRootTable(draft: Drafting): void {
  const { policy, options } = draft
  const table = quoteKey(policy.rootTable)
  const isOwn = `(id = (select ${tenantOfRequest(policy)}))`
  add(
    draft,
    'tenant-column',
    `table ${policy.rootTable}`,
    `create table ${table} (
  id ${policy.tenantType} not null${isUuid(policy) ? ' default gen_random_uuid()' : ''},
  name text not null,
  created_at timestamptz not null default now(),
  constraint ${quoteIdentifier(`${policy.rootTable.split('.')[1]}_pkey`)} primary key (id)
)`,
    `alter table ${table} enable row level security`,
    `alter table ${table} force row level security`,
    `create policy ${quoteIdentifier(policy.isolationPolicy)} on ${table} using ${isOwn} with check ${isOwn}`,
    describe(draft, `table ${table}`, 'One row a tenant: whose a row is.', 'scope=root;'),
    describe(draft, `column ${table}.id`, `What ${policy.tenantColumn} holds everywhere.`),
    describe(draft, `column ${table}.name`, 'Name as people write it.'),
    describe(draft, `column ${table}.created_at`, 'When the tenant was made.'),
    `grant select on ${table} to ${quoteIdentifier(applicationRole(policy))}`,
    ...(options.tenantDefault === undefined ? [] : [tenantRow(policy, options.tenantDefault)]),
  )
}

const LOG_TAGS = 'scope=tenant;append_only=1;'

/** With tags where the schema uses them: rules hold every table to them as soon as one has some. */
function describe({ options }: Drafting, target: string, about: string, tags = ''): string {
  const text = options.compliance ? `class=operational;${tags}about=${about}` : about
  return `comment on ${target} is ${quoteLiteral(text)}`
}

function refuseChange(policy: VerifyPolicy): string {
  return `create function ${quoteKey(policy.appendOnlyFunction)}() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% is append-only', pg_catalog.format('%I.%I', tg_table_schema, tg_table_name)
    using errcode = 'IM006', hint = 'add a correcting row instead';
end
$$`
}

/** Arguments: the column for the time, the column for the actor; an empty one is the application's own affair. */
function touchRow(policy: VerifyPolicy): string {
  return `create function ${quoteKey(touchFunction(policy))}() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_actor text := nullif(pg_catalog.current_setting('app.user_id', true), '');
  v_changes jsonb := '{}';
begin
  if tg_argv[0] <> '' then
    v_changes := v_changes || pg_catalog.jsonb_build_object(tg_argv[0], pg_catalog.now());
  end if;
  if tg_argv[1] <> '' and v_actor is not null then
    v_changes := v_changes || pg_catalog.jsonb_build_object(tg_argv[1], v_actor);
  end if;
  return pg_catalog.jsonb_populate_record(new, v_changes);
end
$$`
}

function addAuditTable(draft: Drafting, log: string): void {
  const { policy } = draft
  const table = quoteKey(log)
  const tenant = quoteIdentifier(policy.tenantColumn)
  const isOwn = `(${tenant} = (select ${tenantOfRequest(policy)}))`
  const refuse = quoteKey(policy.appendOnlyFunction)
  const about = (column: string, text: string) => describe(draft, `column ${table}.${column}`, text)
  add(
    draft,
    'audit-coverage',
    `table ${log}`,
    `create table ${table} (
  ${tenant} ${policy.tenantType} not null,
  occurred_at timestamptz not null default now(),
  seq bigint not null generated by default as identity,
  action text not null,
  schema_name text not null,
  table_name text not null,
  row_id text,
  old_values jsonb,
  new_values jsonb,
  changed_columns text[],
  actor text default nullif(current_setting('app.user_id', true), ''),
  reason text default nullif(current_setting('app.reason', true), ''),
  request_id text default nullif(current_setting('app.request_id', true), ''),
  constraint audit_logs_pkey primary key (${tenant}, occurred_at, seq)
)`,
    `create index audit_logs_row_idx on ${table} (${tenant}, table_name, row_id)`,
    `alter table ${table} enable row level security`,
    `alter table ${table} force row level security`,
    `create policy ${quoteIdentifier(policy.isolationPolicy)} on ${table} using ${isOwn} with check ${isOwn}`,
    `create trigger audit_logs_append_only before update or delete on ${table} for each row execute function ${refuse}()`,
    `create trigger audit_logs_no_truncate before truncate on ${table} for each statement execute function ${refuse}()`,
    describe(draft, `table ${table}`, 'Every change of an audited row: what it was and became, who did it.', LOG_TAGS),
    about(tenant, 'The tenant that the row belongs to.'),
    about('occurred_at', 'Start of the transaction that made the change.'),
    about('seq', 'Order of rows.'),
    about('action', 'insert, update or delete.'),
    about('schema_name', 'Schema of the changed table.'),
    about('table_name', 'The changed table.'),
    about('row_id', 'Id of the changed row.'),
    about('old_values', 'The row before a delete; the changed columns before an update.'),
    about('new_values', 'The row after an insert; the changed columns after an update.'),
    about('changed_columns', 'Names of the changed columns.'),
    about('actor', 'Who did it, null for a system task.'),
    about('reason', 'Reason given for the change.'),
    about('request_id', 'Request that made the change.'),
    `grant insert on ${table} to ${AUDIT_WRITER}`,
  )
}

/** Rows without a tenant are logged for the tenant of the transaction, else for nobody. */
function recordChange(policy: VerifyPolicy): string {
  const tenant = quoteLiteral(policy.tenantColumn)
  const setting = `pg_catalog.current_setting(${quoteLiteral(policy.contextSetting)}, true)`
  const current = `nullif(${setting}, '')::${policy.tenantType}`
  return `create function ${quoteKey(recordFunction(policy))}() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_old jsonb := case when tg_op <> 'INSERT' then pg_catalog.to_jsonb(old) end;
  v_new jsonb := case when tg_op <> 'DELETE' then pg_catalog.to_jsonb(new) end;
  v_row jsonb := coalesce(v_new, v_old);
  v_changed text[];
begin
  if tg_op = 'UPDATE' then
    select pg_catalog.array_agg(n.key order by n.key) into v_changed
    from pg_catalog.jsonb_each(v_new) n
    where n.value is distinct from v_old -> n.key and n.key not in ('updated_at', 'updated_by');
    if v_changed is null then
      return null;
    end if;
    select pg_catalog.jsonb_object_agg(c, v_old -> c), pg_catalog.jsonb_object_agg(c, v_new -> c)
    into v_old, v_new
    from pg_catalog.unnest(v_changed) c;
  end if;
  insert into ${quoteKey(`${policy.auditSchema}.audit_logs`)} (
    ${quoteIdentifier(policy.tenantColumn)}, action, schema_name, table_name, row_id, old_values, new_values, changed_columns
  )
  values (
    coalesce((v_row ->> ${tenant})::${policy.tenantType}, ${current}${isUuid(policy) ? `, ${NOBODY}` : ''}),
    pg_catalog.lower(tg_op), tg_table_schema, tg_table_name, v_row ->> 'id', v_old, v_new, v_changed
  );
  return null;
end
$$`
}

/** The tenant that rows belong to which were there before there were tenants. */
export function tenantRow({ rootTable }: VerifyPolicy, tenant: string): string {
  return `insert into ${quoteKey(rootTable)} (id, name) values (${quoteLiteral(tenant)}, 'first tenant') on conflict do nothing`
}
