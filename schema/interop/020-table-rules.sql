-- Rules that a constraint cannot express.

create function interop.refuse_edit() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'mapping rule % is % and cannot be edited', old.id, old.status
    using errcode = 'IM006', hint = 'insert the next version and activate it';
end
$$;

comment on function interop.refuse_edit() is 'about=Before update of a mapping rule that is not a draft: what was tested and approved stays as it is (IM006).';
