-- The head of a chart: one row a patient, from what this module knows. Appointments, visits and tasks are added by the
-- modules that own them.

create view patient.patient_summary
  with (security_invoker = true)
as
select
  p.tenant_id,
  p.id as patient_id,
  p.mrn,
  concat_ws(' ', p.given_name, p.middle_name, p.family_name) as full_name,
  p.sex,
  p.birth_date,
  p.birth_date_precision,
  extract(
    year from age((coalesce(p.deceased_at, now()) at time zone (select core.tenant_zone()))::date, p.birth_date)
  )::int as age_years,
  p.deceased_at,
  p.blood_group,
  p.language,
  p.is_vip,
  p.status,
  p.merged_into_id,
  p.registered_clinic_id,
  p.created_at as registered_at,
  p.mobile_enc is not null as has_mobile,
  p.portal_user_id is not null as has_portal_account,
  i.identifier_kinds,
  i.abha_verified,
  c.emergency_contacts,
  c.legal_guardians,
  (
    select count(*)
    from patient.patients d
    where d.tenant_id = p.tenant_id and d.merged_into_id = p.id
  ) as merged_duplicates
from patient.patients p
left join lateral (
  select
    coalesce(array_agg(distinct n.kind order by n.kind), '{}') as identifier_kinds,
    coalesce(bool_or(n.kind = 'abha_number' and n.verified_at is not null), false) as abha_verified
  from patient.patient_identifiers n
  where n.tenant_id = p.tenant_id and n.patient_id = p.id and n.deleted_at is null
) i on true
left join lateral (
  select
    count(*) filter (where k.is_emergency) as emergency_contacts,
    count(*) filter (where k.is_legal_guardian and k.guardian_verified_at is not null) as legal_guardians
  from patient.patient_contacts k
  where
    k.tenant_id = p.tenant_id and k.patient_id = p.id and k.deleted_at is null
    and (k.valid_to is null or k.valid_to >= (select core.tenant_today()))
) c on true
where p.deleted_at is null;

comment on view patient.patient_summary is 'class=phi;scope=tenant;owner=clinical;about=Head of the chart of each patient: identity, age, identifiers held, contacts, merged duplicates.';
