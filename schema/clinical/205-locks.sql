-- Order of locks: patient, encounter, admission, what hangs on the encounter, beds, numbers, outbox.

create function clinical.lock_encounter(p_encounter_id uuid) returns clinical.encounters
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_encounter clinical.encounters;
begin
  select e.* into v_encounter
  from clinical.encounters e
  where e.tenant_id = v_tenant and e.id = p_encounter_id and e.deleted_at is null
  for no key update;
  if not found then
    raise exception 'encounter % does not exist', p_encounter_id
      using errcode = 'IM005', hint = 'open it with clinical.open_encounter';
  end if;
  return v_encounter;
end
$$;

comment on function clinical.lock_encounter(uuid) is 'about=An encounter of the tenant, locked. IM003 no tenant, IM005 no such encounter.';

create function clinical.lock_present_encounter(p_encounter_id uuid) returns clinical.encounters
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_encounter clinical.encounters := clinical.lock_encounter(p_encounter_id);
begin
  if v_encounter.status not in ('arrived', 'triaged', 'in_progress', 'on_leave') then
    raise exception 'encounter % is %', p_encounter_id, v_encounter.status
      using errcode = 'IM001', hint = 'this is done while the patient is here';
  end if;
  return v_encounter;
end
$$;

comment on function clinical.lock_present_encounter(uuid) is 'about=An encounter whose patient is here, locked. IM001 not arrived, or over, IM003 no tenant, IM005 no such encounter.';

create function clinical.lock_admission(p_admission_id uuid) returns clinical.admissions
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_encounter_id uuid;
  v_admission clinical.admissions;
begin
  select a.encounter_id into v_encounter_id
  from clinical.admissions a
  where a.tenant_id = v_tenant and a.id = p_admission_id;
  if not found then
    raise exception 'admission % does not exist', p_admission_id
      using errcode = 'IM005', hint = 'ask for it with clinical.request_admission';
  end if;
  perform clinical.lock_encounter(v_encounter_id);
  select a.* into v_admission
  from clinical.admissions a
  where a.tenant_id = v_tenant and a.id = p_admission_id
  for no key update;
  return v_admission;
end
$$;

comment on function clinical.lock_admission(uuid) is 'about=An admission of the tenant, locked after its encounter. IM003 no tenant, IM005 no such admission.';

create function clinical.require_reason(p_reason text, p_what text) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if nullif(btrim(p_reason), '') is null then
    raise exception '% needs a reason', p_what using errcode = 'IM002', hint = 'say why';
  end if;
  perform core.set_reason(p_reason);
end
$$;

comment on function clinical.require_reason(text, text) is 'about=Arguments (reason, what): sets the reason that state machines and the audit log record. IM002 no reason.';
