-- Comments are data: tags first, then about=. The standard columns mean the same everywhere, so they are described once.

create function core.comment_standard_columns(p_table text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_column record;
begin
  for v_column in
    select s.name, s.about
    from (
      values
        ('tenant_id', 'class=operational;about=The tenant that the row belongs to; null in a tenant-or-global table means shared by all.'),
        ('id', 'class=operational;about=Identity of the row, a UUID version 7.'),
        ('row_version', 'class=operational;about=Counted up by every update; an update that sets it must set the version that it read.'),
        ('created_at', 'class=operational;about=When the row was written.'),
        ('created_by', 'class=operational;about=The user who wrote the row, null for a system task.'),
        ('updated_at', 'class=operational;about=When the row was last changed.'),
        ('updated_by', 'class=operational;about=The user who last changed the row.'),
        ('deleted_at', 'class=operational;about=When the row was deleted; the row itself stays.'),
        ('deleted_by', 'class=operational;about=The user who deleted the row.'),
        ('delete_reason', 'class=operational;about=Why the row was deleted.')
    ) as s (name, about)
    join pg_catalog.pg_attribute a
      on a.attrelid = p_table::pg_catalog.regclass and a.attname = s.name and not a.attisdropped
  loop
    execute pg_catalog.format(
      'comment on column %s.%I is %L', p_table::pg_catalog.regclass, v_column.name, v_column.about
    );
  end loop;
end
$$;

comment on function core.comment_standard_columns(text) is 'about=Writes the comments of the standard columns (tenant_id, id, row_version, created_*, updated_*, deleted_*) of a table.';

-- Parsed where it is made, and without SET: the server puts it into the query that calls it, for each comment that is read.
create function core.tag(p_comment text, p_tag text) returns text
  language sql
  immutable
  parallel safe
  return case
    when pg_catalog.strpos(';' || p_comment, ';' || p_tag || '=') = 0 then null
    when p_tag = 'about' then pg_catalog.substr(p_comment, pg_catalog.strpos(';' || p_comment, ';about=') + 6)
    when pg_catalog.strpos(pg_catalog.split_part(';' || p_comment, ';about=', 1), ';' || p_tag || '=') > 0 then
      pg_catalog.split_part(
        pg_catalog.split_part(pg_catalog.split_part(';' || p_comment, ';about=', 1), ';' || p_tag || '=', 2), ';', 1
      )
  end;

comment on function core.tag(text, text) is 'about=The value of one tag of a comment, null when the comment has no such tag.';
