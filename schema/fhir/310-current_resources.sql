-- fhir.current_resources: the last version of every resource, without its content.

create view fhir.current_resources
  with (security_invoker = true)
as
select distinct on (r.tenant_id, r.resource_type, r.logical_id)
  r.tenant_id,
  r.resource_type,
  r.logical_id,
  r.version,
  r.profile,
  r.bundle_type,
  r.source_schema,
  r.source_table,
  r.source_id,
  r.patient_id,
  r.valid,
  r.recorded_at
from fhir.resource_versions r
order by r.tenant_id, r.resource_type, r.logical_id, r.version desc;

comment on view fhir.current_resources is 'class=phi;scope=tenant;owner=fhir;about=The last version of every FHIR resource, without its content: what is there and whether it was found valid.';
