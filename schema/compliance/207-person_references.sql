-- Where data of a person is, read from the catalog: nobody has to keep a list. A row belongs to a patient when it names them
-- (a foreign key to patient.patients or a column patient_id), when a pair of columns x_type and x_id does, or when it hangs on
-- such a row and names no patient itself. Kernel and log are left out: compliance.disclosure_accounting answers for the log.

create view compliance.person_references with (security_invoker = true) as
with tables as materialized (
  select
    c.oid,
    n.nspname::text as schema_name,
    c.relname::text as table_name,
    core.tag(d.description, 'class') as class,
    core.tag(d.description, 'retention') as retention
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_description d
    on d.objoid = c.oid and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objsubid = 0
  where
    c.relkind in ('r', 'p') and not c.relispartition and n.nspname not in ('core', 'audit')
    and core.tag(d.description, 'scope') = 'tenant'
    and exists (
      select
      from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attname = 'id' and not a.attisdropped
    )
),
keys as materialized (
  select k.conrelid, k.confrelid, a.attname::text as column_name
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey) and a.attname <> 'tenant_id'
  where k.contype = 'f' and k.conparentid = 0
),
named as (
  select k.conrelid as oid, k.column_name
  from keys k
  where k.confrelid = 'patient.patients'::pg_catalog.regclass
  union
  select a.attrelid, a.attname::text
  from pg_catalog.pg_attribute a
  where a.attname = 'patient_id' and a.atttypid = 'pg_catalog.uuid'::pg_catalog.regtype and not a.attisdropped
),
-- tables by their ids in arrays, because the planner misjudges the catalog: a join of these took half a second
always_named as (
  select pg_catalog.array_agg(n.oid) as oids
  from named n
  join pg_catalog.pg_attribute a on a.attrelid = n.oid and a.attname = n.column_name and a.attnotnull
),
personal as (
  select pg_catalog.array_agg(t.oid) as oids
  from tables t
  where t.class in ('phi', 'pii', 'financial')
),
keys_to_parents as materialized (
  select k.*
  from keys k
  where
    k.confrelid = any ((select p.oids from personal p)::oid[])
    and k.confrelid <> 'patient.patients'::pg_catalog.regclass
    and k.conrelid = any ((select p.oids from personal p)::oid[])
    -- each of its rows names the patient itself
    and k.conrelid <> all ((select a.oids from always_named a)::oid[])
)
select t.schema_name, t.table_name, t.class, t.retention, 'patient' as found_by, n.column_name, null as type_column,
  null::oid as parent
from tables t
join named n on n.oid = t.oid
union all
select t.schema_name, t.table_name, t.class, t.retention, 'type', i.attname::text, y.attname::text, null
from tables t
join pg_catalog.pg_attribute y
  on y.attrelid = t.oid and y.attname ~ '_type$' and y.atttypid = 'pg_catalog.text'::pg_catalog.regtype and not y.attisdropped
join pg_catalog.pg_attribute i
  on i.attrelid = t.oid and i.attname = pg_catalog.regexp_replace(y.attname, '_type$', '_id')
  and i.atttypid = 'pg_catalog.uuid'::pg_catalog.regtype and not i.attisdropped
union all
select t.schema_name, t.table_name, t.class, t.retention, 'parent', k.column_name, null, k.confrelid
from tables t
join keys_to_parents k on k.conrelid = t.oid;

comment on view compliance.person_references is 'about=By which column the rows of a table may belong to a patient. found_by: patient (column_name holds the patient''s id), type (so it does where type_column says patient), parent (column_name holds the id of a row of table parent that belongs to the patient).';
