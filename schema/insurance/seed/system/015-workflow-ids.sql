-- Workflow ids of the claims exchange, as a value set: what a submission may be sent as. The reply to a query of a claim is
-- 151 in one version of the specification and 161 in a later one; both are members, setting insurance.workflow_rules
-- says which one is sent. NHA adds to them by circular: then save a new version, shared or of a tenant.

do $$
declare
  v_id uuid;
begin
  insert into fhir.value_sets (tenant_id, url, version, name, bound_to)
  values (
    null, 'urn:nhcx:workflow-ids', '1', 'NHCX workflow ids',
    '{insurance.insurance_claims.workflow_code,insurance.claim_payments.ack_workflow_code}'
  )
  on conflict (tenant_id, url, version) do nothing
  returning id into v_id;
  if v_id is null then
    return;
  end if;
  insert into fhir.value_set_members (tenant_id, value_set_id, system, code, display, seq) values
    (null, v_id, 'urn:nhcx:workflow-id', '12', 'Pre-authorisation', 1),
    (null, v_id, 'urn:nhcx:workflow-id', '121', 'Resubmission of a pre-authorisation', 2),
    (null, v_id, 'urn:nhcx:workflow-id', '122', 'Cancellation of a pre-authorisation', 3),
    (null, v_id, 'urn:nhcx:workflow-id', '19', 'Reply to a query of a pre-authorisation', 4),
    (null, v_id, 'urn:nhcx:workflow-id', '13', 'Enhancement', 5),
    (null, v_id, 'urn:nhcx:workflow-id', '131', 'Reply to a query of an enhancement', 6),
    (null, v_id, 'urn:nhcx:workflow-id', '15', 'Claim', 7),
    (null, v_id, 'urn:nhcx:workflow-id', '151', 'Reply to a query of a claim', 8),
    (null, v_id, 'urn:nhcx:workflow-id', '161', 'Reply to a query of a claim, later version', 9),
    (null, v_id, 'urn:nhcx:workflow-id', '16', 'Resubmission of a claim', 10),
    (null, v_id, 'urn:nhcx:workflow-id', '17', 'Payment received', 11),
    (null, v_id, 'urn:nhcx:workflow-id', '18', 'Reprocess of a claim', 12);
  update fhir.value_sets v set status = 'active' where v.id = v_id;
end
$$;
