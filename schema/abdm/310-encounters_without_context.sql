-- What still has to be made linkable: visits and stays that are over, of patients with a linked ABHA, without a care context.
-- It should be empty for what ended more than a day ago.

create view abdm.encounters_without_context
  with (security_invoker = true)
as
select
  e.tenant_id,
  e.id as encounter_id,
  e.patient_id,
  a.id as abha_account_id,
  e.clinic_id,
  e.class,
  upper(e.period) as ended_at
from abdm.abha_accounts a
join clinical.encounters e on e.tenant_id = a.tenant_id and e.patient_id = a.patient_id
where
  a.status = 'linked' and a.deleted_at is null
  and e.status = 'finished'
  and not exists (
    select from abdm.care_contexts c where c.tenant_id = e.tenant_id and c.encounter_id = e.id
  );

comment on view abdm.encounters_without_context is 'class=phi;scope=tenant;owner=fhir;about=Finished visits and stays of patients with a linked ABHA that have no care context yet.';
