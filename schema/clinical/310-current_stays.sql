-- Who is in the house: one row a stay, with the bed, the doctor, the last vital signs and what discharge waits for. Ids of
-- patients only.

create view clinical.current_stays
  with (security_invoker = true)
as
select
  a.tenant_id,
  a.id as admission_id,
  a.admission_number,
  a.encounter_id,
  e.patient_id,
  e.clinic_id,
  e.department_id,
  e.attending_doctor_id,
  e.payer_class,
  e.isolation,
  e.status as encounter_status,
  a.status as admission_status,
  a.care_class,
  a.admitted_at,
  a.expected_discharge_on,
  b.id as bed_allocation_id,
  b.bed_id,
  v.measured_at as vitals_at,
  v.news2,
  s.id as discharge_summary_id,
  s.status as summary_status,
  s.stg_status,
  a.pharmacy_cleared_at,
  a.billing_cleared_at
from clinical.admissions a
join clinical.encounters e on e.tenant_id = a.tenant_id and e.id = a.encounter_id
left join facility.bed_allocations b
  on b.tenant_id = a.tenant_id and b.encounter_id = a.encounter_id and b.status = 'active'
left join lateral (
  select v.measured_at, v.news2
  from clinical.vital_signs v
  where v.tenant_id = a.tenant_id and v.patient_id = e.patient_id and v.encounter_id = a.encounter_id and not v.is_error
    and not exists (select from clinical.vital_signs c where c.tenant_id = v.tenant_id and c.replaces_id = v.id)
  order by v.measured_at desc, v.id desc
  limit 1
) v on true
left join lateral (
  select s.id, s.status, s.stg_status
  from clinical.discharge_summaries s
  where s.tenant_id = a.tenant_id and s.encounter_id = a.encounter_id and s.status in ('draft', 'in_review', 'final')
  order by s.status = 'final', s.id
  limit 1
) s on true
where a.status in ('admitted', 'discharge_ordered', 'clinically_discharged', 'billing_cleared');

comment on view clinical.current_stays is 'class=phi;scope=tenant;owner=clinical;about=Patients who are admitted now: bed, doctor, last early-warning score, discharge summary (the one in work before the final one) and clearances.';
