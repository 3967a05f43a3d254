-- What every table and column is, read from the comments. Checks and generators read these views and nothing else.

create view core.v_tables with (security_invoker = true) as
select
  n.nspname::text as schema_name,
  c.relname::text as table_name,
  core.tag(d.description, 'class') as class,
  core.tag(d.description, 'scope') as scope,
  core.tag(d.description, 'owner') as owner,
  core.tag(d.description, 'fhir') as fhir,
  core.tag(d.description, 'retention') as retention,
  core.tag(d.description, 'about') as about
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_description d on d.objoid = c.oid and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid = 0
where c.relkind in ('r', 'p') and not c.relispartition and d.description ~ '^class=';

comment on view core.v_tables is 'about=One row a table: class, scope, owning service, FHIR resource, retention, meaning.';

create view core.v_columns with (security_invoker = true) as
select
  t.schema_name,
  t.table_name,
  a.attname::text as column_name,
  core.tag(d.description, 'class') as class,
  coalesce(core.tag(d.description, 'enc') = '1', false) as encrypted,
  core.tag(d.description, 'mask') as mask,
  core.tag(d.description, 'about') as about
from core.v_tables t
join pg_catalog.pg_attribute a
  on a.attrelid = pg_catalog.format('%I.%I', t.schema_name, t.table_name)::pg_catalog.regclass and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_description d
  on d.objoid = a.attrelid and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid = a.attnum;

comment on view core.v_columns is 'about=One row a column: class, whether it is encrypted, mask, meaning.';
