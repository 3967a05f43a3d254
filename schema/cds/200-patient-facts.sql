-- What rules and limits ask about a patient, read from the chart. Private to the module.

create function cds.patient_facts(p_patient_id uuid) returns jsonb
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_people uuid[] := patient.ids_of(p_patient_id);
  v_today date := core.tenant_today();
  v_patient record;
  v_facts jsonb;
begin
  select p.birth_date, p.sex into v_patient
  from patient.patients p
  where p.tenant_id = v_tenant and p.id = p_patient_id and p.deleted_at is null;
  if not found then
    raise exception 'patient % does not exist', p_patient_id
      using errcode = 'IM005', hint = 'choose a patient of the tenant';
  end if;
  select jsonb_build_object(
    'sex', v_patient.sex,
    'age_days', v_today - v_patient.birth_date,
    'age_years', extract(year from age(v_today, v_patient.birth_date))::int,
    'weight_kg', (
      select v.weight_kg
      from clinical.vital_signs v
      where
        v.tenant_id = v_tenant and v.patient_id = any (v_people) and v.weight_kg is not null and not v.is_error
        and v.measured_at > now() - interval '1 year'
        and not exists (
          select from clinical.vital_signs r where r.tenant_id = v.tenant_id and r.replaces_id = v.id
        )
      order by v.measured_at desc
      limit 1
    ),
    'egfr', (
      select o.value_num
      from clinical.observations o
      where
        o.tenant_id = v_tenant and o.patient_id = any (v_people) and o.code_system = 'http://loinc.org'
        and o.code in (
          select c.value #>> '{}'
          from jsonb_array_elements(coalesce(core.setting('cds.egfr_codes'), '["62238-1", "33914-3"]')) c
        )
        -- amended is the row that was wrong: its correction is a row of its own
        and o.value_num is not null and o.status in ('preliminary', 'final') and o.deleted_at is null
        and o.effective_at > now() - interval '1 year'
      order by o.effective_at desc
      limit 1
    ),
    'conditions', coalesce(jsonb_agg(distinct c.code) filter (where c.code is not null), '[]')
      || coalesce(jsonb_agg(distinct c.icd10) filter (where c.icd10 is not null), '[]'),
    'pregnant', coalesce(bool_or(c.icd10 ~ '^(O|Z33|Z34)'), false)
  )
  into v_facts
  from clinical.conditions c
  where
    c.tenant_id = v_tenant and c.patient_id = any (v_people) and c.deleted_at is null
    and coalesce(c.clinical_status, 'active') in ('active', 'recurrence', 'relapse')
    and c.verification_status not in ('refuted', 'entered_in_error')
    and c.category not in ('family_history', 'differential');
  return v_facts;
end
$$;

comment on function cds.patient_facts(uuid) is 'about=Facts about a patient, from all of their merged records: sex, age_days, age_years, weight_kg and egfr (of the last year), conditions (codes and ICD-10 of what is active), pregnant (by ICD-10). Null for what is not known. IM005 no such patient.';
