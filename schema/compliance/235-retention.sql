-- How long a person's record is kept. The law counts from the last row of the record, wherever that is.

create function compliance.set_retention(
  p_class text,
  p_keep_for interval,
  p_starts_from text,
  p_action text,
  p_basis text,
  p_schema text default null,
  p_table text default null,
  p_minimum_log_days int default 365
) returns compliance.retention_policies
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy compliance.retention_policies;
begin
  insert into compliance.retention_policies as r (
    tenant_id, class, schema_name, table_name, basis, keep_for, starts_from, action, minimum_log_days, approved_by
  )
  values (
    core.require_tenant(), p_class, p_schema, p_table, p_basis, p_keep_for, p_starts_from, p_action,
    p_minimum_log_days, compliance.acting_user_id()
  )
  on conflict (tenant_id, class, schema_name, table_name) do update
  set
    basis = excluded.basis, keep_for = excluded.keep_for, starts_from = excluded.starts_from, action = excluded.action,
    minimum_log_days = excluded.minimum_log_days, approved_by = excluded.approved_by
  returning r.* into v_policy;
  return v_policy;
end
$$;

comment on function compliance.set_retention(text, interval, text, text, text, text, text, int) is 'about=The tenant''s own policy for a class of rows, in place of the last one; the signed-in user answers for it. IM003 no tenant, IM006 nobody is signed in, IM911 shorter than the law.';

create function compliance.last_activity(p_tenant_id uuid, p_people uuid[]) returns timestamptz
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reference record;
  v_last timestamptz;
  v_latest timestamptz;
begin
  for v_reference in
    select r.schema_name, r.table_name, r.column_name
    from compliance.person_references r
    -- what is written about the request to erase is no treatment
    where r.found_by = 'patient' and r.retention = 'medical_record' and r.schema_name not in ('compliance', 'patient')
  loop
    execute format(
      'select max(t.created_at) from %I.%I t where t.tenant_id = $1 and t.%I = any ($2)', v_reference.schema_name,
      v_reference.table_name, v_reference.column_name
    )
    into v_last
    using p_tenant_id, p_people;
    v_latest := greatest(v_latest, v_last);
  end loop;
  return greatest(
    v_latest,
    (select max(p.created_at) from patient.patients p where p.tenant_id = p_tenant_id and p.id = any (p_people))
  );
end
$$;

comment on function compliance.last_activity(uuid, uuid[]) is 'about=When the last row of the medical record was written, whichever of the merged records it is in; at least the registration.';

create function compliance.kept_until(p_patient_id uuid) returns timestamptz
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_patient record;
  v_people uuid[] := patient.ids_of(p_patient_id);
  v_last timestamptz := compliance.last_activity(v_tenant, v_people);
  v_until timestamptz;
begin
  select max(p.created_at) as created_at, max(p.birth_date) as birth_date, max(p.deceased_at) as deceased_at
  into v_patient
  from patient.patients p
  where p.tenant_id = v_tenant and p.id = any (v_people);
  select max(
    case r.starts_from
      when 'created' then v_patient.created_at
      when 'majority_age' then greatest(v_last, (v_patient.birth_date + interval '18 years') at time zone core.tenant_zone())
      when 'death' then coalesce(v_patient.deceased_at, 'infinity')
      else v_last
    end + r.keep_for
  )
  into v_until
  from compliance.retention_policies r
  -- the shared ones as well: a tenant's may count from another day
  where r.class = 'medical_record' and (r.tenant_id = v_tenant or r.tenant_id is null);
  return coalesce(v_until, 'infinity');
end
$$;

comment on function compliance.kept_until(uuid) is 'about=Until when the law and the tenant''s policies keep the patient''s record: the latest of the policies of class medical_record, over all records that are merged with it; infinity without any. IM003 no tenant.';

create function compliance.past_retention(p_policy_id uuid, p_limit int default 100)
  returns table (patient_id uuid, kept_until timestamptz)
  language plpgsql
  stable
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_keep interval;
  v_found int := 0;
begin
  select r.keep_for into v_keep
  from compliance.retention_policies r
  where r.id = p_policy_id and r.class = 'medical_record' and (r.tenant_id = v_tenant or r.tenant_id is null);
  for patient_id in
    select p.id
    from patient.patients p
    where p.tenant_id = v_tenant and p.deleted_at is null and p.created_at < now() - v_keep
      and p.merged_into_id is null -- goes with the record that it was merged into
    order by p.created_at
  loop
    kept_until := compliance.kept_until(patient_id);
    if kept_until < now() and not compliance.is_under_hold(null, null, null, patient_id) then
      return next;
      v_found := v_found + 1;
      exit when v_found >= p_limit;
    end if;
  end loop;
end
$$;

comment on function compliance.past_retention(uuid, int) is 'about=Up to p_limit patients whose record is past retention and under no hold, the oldest first: they are told, and after 48 hours erased with compliance.run_erasure. IM003 no tenant.';
