import type { Database } from '@imhotep/postgres'

export interface ScaleOptions {
  /** Rows that each table gets at least; tables without a row stay empty. */
  readonly rows: number
  /** Rows of single tables, by `schema.table`. */
  readonly rowsOf?: Readonly<Record<string, number>>
  /** Copies stay with the parents of their originals and keep every constraint; tables where that cannot be stay as they are. */
  readonly valid?: boolean
}

/**
 * Multiplies the rows of a demo database inside its tenants: copies have other ids, and other texts where a key holds a
 * text. Triggers and references are not looked at while it copies; statistics are made in the end.
 */
export async function scaleHospital(db: Database, { rows, rowsOf = {}, valid = false }: ScaleOptions): Promise<void> {
  const connection = await db.dedicated()
  try {
    await connection.script(`set session_replication_role = replica; ${multiply}`)
    const tables = await connection.query<{ name: string }>(`
      select c.oid::regclass::text as name
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnotnull
      where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^(pg_|information_schema|audit)'
      order by 1`)
    for (const { name } of tables)
      await connection.query('select pg_temp.multiply($1, $2, $3)', [name, rowsOf[name] ?? rows, valid])
    await connection.query('analyze')
  } finally {
    await connection.release()
  }
}

const multiply = `
create function pg_temp.multiply(p_table text, p_rows int, p_valid boolean) returns void language plpgsql as $$
declare
  v_table regclass := p_table::regclass;
  v_check record;
  v_checks text[] := '{}';
  v_columns text;
  v_values text;
  v_count int;
begin
  execute format('select count(*) from %s', v_table) into v_count;
  if v_count = 0 or v_count >= p_rows then
    return;
  end if;
  select
    string_agg(quote_ident(a.attname), ', ' order by a.attnum),
    string_agg(
      case
        when a.attname = 'tenant_id' then 't.tenant_id'
        when a.atttypid = 'uuid'::regtype and refers.shared then 't.' || quote_ident(a.attname)
        when a.atttypid = 'uuid'::regtype then format('md5(t.%I::text || i)::uuid', a.attname)
        when a.atttypid = 'text'::regtype and keyed.is then format('t.%I || ''-'' || i', a.attname)
        when a.atttypid = 'bytea'::regtype and keyed.is then format('t.%I || int4send(i)', a.attname)
        when a.atttypid = 'bigint'::regtype and keyed.is then format('t.%I + i', a.attname)
        else 't.' || quote_ident(a.attname)
      end,
      ', ' order by a.attnum
    )
  into v_columns, v_values
  from pg_attribute a
  cross join lateral (
    select exists (
      select from pg_index x where x.indrelid = v_table and x.indisunique and a.attnum = any (x.indkey::int2[])
    ) as is
  ) as keyed
  cross join lateral (
    select exists (
      select
      from pg_constraint k
      where k.conrelid = v_table and k.contype = 'f'
        and (k.conkey = array[a.attnum] or (p_valid and a.attnum = any (k.conkey)))
    ) as shared
  ) as refers
  where a.attrelid = v_table and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

  -- a copied number need not have the form of a number
  for v_check in
    select c.conname, regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', '') as definition
    from pg_constraint c
    where c.conrelid = v_table and c.contype = 'c' and not p_valid
  loop
    execute format('alter table %s drop constraint %I', v_table, v_check.conname);
    v_checks := v_checks || format('alter table %s add constraint %I %s not valid', v_table, v_check.conname, v_check.definition);
  end loop;
  begin
    execute format(
      'insert into %s (%s) select %s from %s t, generate_series(1, %s) i', v_table, v_columns, v_values, v_table,
      ceil(p_rows::numeric / v_count)
    );
  exception when integrity_constraint_violation or data_exception then
    if not p_valid then raise; end if;
  end;
  for v_check in select unnest(v_checks) as ddl loop
    execute v_check.ddl;
  end loop;
end
$$`
