-- Vital signs without what was corrected: of a set and its corrections the last one.

create view clinical.vital_signs_chart
  with (security_invoker = true)
as
select
  v.tenant_id, v.id, v.measured_at, v.patient_id, v.encounter_id, v.temperature_c, v.pulse, v.resp_rate, v.systolic,
  v.diastolic, v.spo2, v.on_oxygen, v.weight_kg, v.height_cm, v.bmi, v.pain_score, v.consciousness, v.news2,
  v.glucose_mg_dl, v.device_id, v.recorded_by
from clinical.vital_signs v
where
  not v.is_error
  and not exists (select from clinical.vital_signs c where c.tenant_id = v.tenant_id and c.replaces_id = v.id);

comment on view clinical.vital_signs_chart is 'class=phi;scope=tenant;owner=clinical;about=Vital signs that stand: corrected sets and errors are left out.';
