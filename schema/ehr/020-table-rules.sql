-- Rules of the tables that a CHECK cannot hold.

create function ehr.keep_approved_template() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if old.status <> 'draft' and (
    (new.tenant_id, new.code, new.version, new.kind, new.name, new.locale, new.schema, new.body, new.approved_by)
    is distinct from
    (old.tenant_id, old.code, old.version, old.kind, old.name, old.locale, old.schema, old.body, old.approved_by)
  ) then
    raise exception 'template % is % and cannot change', old.id, old.status
      using errcode = 'IM006', hint = 'add a new version, then ehr.activate_template';
  end if;
  return new;
end
$$;

comment on function ehr.keep_approved_template() is 'about=Before update of ehr.document_templates: what was approved stays as it was (IM006), because documents name the template that made them.';

create function ehr.keep_stored_file() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if (new.document_number, new.version, new.patient_id, new.supersedes_id, new.size_bytes, new.sha256)
    is distinct from
    (old.document_number, old.version, old.patient_id, old.supersedes_id, old.size_bytes, old.sha256)
  then
    raise exception 'the file of document % cannot change', old.id
      using errcode = 'IM006', hint = 'add a new version that supersedes it';
  end if;
  return new;
end
$$;

comment on function ehr.keep_stored_file() is 'about=Before update of ehr.documents: number, version, patient and content of a row are for ever (IM006); the place and the key of the bytes may move.';
