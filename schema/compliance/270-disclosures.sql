-- The account of disclosures that a person may ask for (45 CFR 164.528: six years). audit.log_disclosure writes them.

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
  v_people uuid[] := patient.ids_of(p_patient_id);
begin
  return query
    select l.accessed_at, l.recipient, l.legal_basis, l.purpose_of_use, l.resource_type, l.resource_id, l.fields, l.user_id
    from audit.phi_access_logs l
    where
      l.tenant_id = v_tenant and l.patient_id = any (v_people) and l.access_kind = 'disclosure'
      and l.accessed_at >= p_from and l.accessed_at <= p_to
    union all
    select l.accessed_at, l.recipient, l.legal_basis, l.purpose_of_use, l.resource_type, l.resource_id, l.fields, l.user_id
    from unnest(v_people) as i
    cross join audit.archived_phi_access_logs(p_from, p_to, i) as l
    where l.access_kind = 'disclosure'
    order by 1;
end
$$;

comment on function compliance.disclosure_accounting(uuid, timestamptz, timestamptz) is 'about=Every disclosure of a patient''s data, merged records included, in a window, by default the last six years: when, to whom, on what basis, what. Reads the log and its archives. IM003 no tenant.';
