-- Whether the allergies of a patient are known: the question that comes before every prescription.

create view clinical.allergy_status
  with (security_invoker = true)
as
select
  p.tenant_id,
  p.id as patient_id,
  case
    when count(a.id) filter (where a.kind <> 'none_known') > 0 then 'allergies'
    when count(a.id) > 0 then 'none_known'
    else 'not_asked'
  end as status,
  count(a.id) filter (where a.kind <> 'none_known') as active_allergies,
  count(a.id) filter (where a.criticality = 'high') as high_criticality,
  max(a.updated_at) as last_stated_at
from patient.patients p
-- in a join condition the planner would ask for the ids once for each allergy of the tenant
left join lateral unnest(patient.ids_of(p.id)) as i (id) on true
left join clinical.allergies a
  on a.tenant_id = p.tenant_id and a.patient_id = i.id and a.clinical_status = 'active'
  and a.verification_status not in ('refuted', 'entered_in_error') and a.deleted_at is null
where p.deleted_at is null
group by p.tenant_id, p.id;

comment on view clinical.allergy_status is 'class=phi;scope=tenant;owner=clinical;about=Of each patient: allergies, none_known, or not_asked, and how many are active; what was stated of merged records counts.';
