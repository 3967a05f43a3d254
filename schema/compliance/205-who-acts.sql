-- Who acts, and the reason that goes into the log.

create function compliance.acting_user_id() returns uuid
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.current_user_id() is null then
    raise exception 'nobody is signed in'
      using errcode = 'IM006', hint = 'pass the user of the session to core.begin_request';
  end if;
  return core.current_user_id();
end
$$;

comment on function compliance.acting_user_id() is 'about=The user who is signed in. IM006 nobody.';

create function compliance.require_reason(p_reason text, p_what text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(btrim(p_reason), '') = '' then
    raise exception '% needs a reason', p_what using errcode = 'IM002', hint = 'say why in p_reason';
  end if;
  perform core.set_reason(p_reason);
end
$$;

comment on function compliance.require_reason(text, text) is 'about=Sets the reason of the change. IM002 there is none.';

create function compliance.patient_ref_hash(p_tenant_id uuid, p_patient_id uuid) returns bytea
  language sql
  immutable
  parallel safe
  set search_path = pg_catalog, pg_temp
as $$ select sha256(uuid_send(p_tenant_id) || uuid_send(p_patient_id)) $$;

comment on function compliance.patient_ref_hash(uuid, uuid) is 'about=What stands for a patient in the log of erasures: SHA-256 of tenant and patient id.';
