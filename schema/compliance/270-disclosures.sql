-- Disclosures: health data that left the hospital, and the account of them that a person may ask for (45 CFR 164.528: six years).

create function compliance.record_disclosure(
  p_patient_id uuid,
  p_resource_type text,
  p_resource_id uuid,
  p_recipient text,
  p_legal_basis text,
  p_fields text[] default null,
  p_consent_id uuid default null
) returns void
  language plpgsql
  security definer -- belongs to audit_writer, which alone writes the log
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into audit.phi_access_logs (
    tenant_id, patient_id, resource_type, resource_id, access_kind, fields, purpose_of_use, recipient, legal_basis,
    consent_id
  )
  values (
    core.require_tenant(), p_patient_id, p_resource_type, p_resource_id, 'disclosure', p_fields,
    nullif(current_setting('app.purpose', true), ''), p_recipient, p_legal_basis, p_consent_id
  );
end
$$;

comment on function compliance.record_disclosure(uuid, text, uuid, text, text, text[], uuid) is 'about=Logs that data of a patient went to p_recipient, on what basis, in the transaction that sends it. IM003 no tenant; a recipient and a basis are required (phi_access_logs_disclosure_has_basis).';

alter function compliance.record_disclosure(uuid, text, uuid, text, text, text[], uuid) owner to audit_writer;

create function compliance.disclosure_accounting(
  p_patient_id uuid,
  p_from timestamptz default now() - interval '6 years',
  p_to timestamptz default now()
) returns table (
    disclosed_at timestamptz, recipient text, legal_basis text, purpose_of_use text, resource_type text, resource_id uuid,
    fields text[], user_id uuid
  )
  language plpgsql
  stable
  security definer -- belongs to audit_reader, which alone reads log and archives
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  return query
    select l.accessed_at, l.recipient, l.legal_basis, l.purpose_of_use, l.resource_type, l.resource_id, l.fields, l.user_id
    from audit.phi_access_logs l
    where
      l.tenant_id = v_tenant and l.patient_id = p_patient_id and l.access_kind = 'disclosure'
      and l.accessed_at >= p_from and l.accessed_at <= p_to
    union all
    select l.accessed_at, l.recipient, l.legal_basis, l.purpose_of_use, l.resource_type, l.resource_id, l.fields, l.user_id
    from audit.archived_phi_access_logs(p_from, p_to, p_patient_id) as l
    where l.access_kind = 'disclosure'
    order by 1;
end
$$;

comment on function compliance.disclosure_accounting(uuid, timestamptz, timestamptz) is 'about=Every disclosure of a patient''s data in a window, by default the last six years: when, to whom, on what basis, what. Reads the log and its archives. IM003 no tenant.';
