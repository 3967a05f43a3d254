-- Writing evidence that no trigger writes: reads of health data, sign-ins, exports. Both functions belong to
-- audit_writer, the one role that may insert into the logs.

create function audit.log_event(
  p_action text,
  p_schema text,
  p_table text,
  p_row_id uuid,
  p_reason text default null
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into audit.audit_logs (tenant_id, action, schema_name, table_name, row_id, reason)
  values (core.require_tenant(), p_action, p_schema, p_table, p_row_id, coalesce(p_reason, core.current_reason()));
end
$$;

comment on function audit.log_event(text, text, text, uuid, text) is 'about=Writes an event that is no change of a row: login, login_failed, logout, export, print, config, policy_denied ...';

alter function audit.log_event(text, text, text, uuid, text) owner to audit_writer;

create function audit.log_access(
  p_resource_type text,
  p_resource_id uuid,
  p_patient_id uuid,
  p_access_kind text,
  p_fields text[] default null,
  p_row_count int default 1
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into audit.phi_access_logs (
    tenant_id, resource_type, resource_id, patient_id, access_kind, fields, row_count, purpose_of_use, break_glass_id
  )
  values (
    core.require_tenant(), p_resource_type, p_resource_id, p_patient_id, p_access_kind, p_fields, p_row_count,
    nullif(pg_catalog.current_setting('app.purpose', true), ''),
    -- emergency access counts only while this user's session for this patient is open
    case when pg_catalog.current_setting('app.purpose', true) = 'BTG' then (
      select b.id
      from audit.break_glass_sessions b
      where
        b.tenant_id = core.require_tenant() and b.user_id = core.current_user_id() and b.patient_id = p_patient_id
        and b.status = 'open' and b.expires_at > now()
    ) end
  );
end
$$;

comment on function audit.log_access(text, uuid, uuid, text, text[], int) is 'about=Logs a read of health data with the purpose of use of the request. Purpose BTG is refused (check constraint) unless emergency access to the patient is open.';

alter function audit.log_access(text, uuid, uuid, text, text[], int) owner to audit_writer;

create function audit.log_disclosure(
  p_resource_type text,
  p_resource_id uuid,
  p_patient_id uuid,
  p_recipient text,
  p_legal_basis text,
  p_consent_id uuid default null
) returns void
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into audit.phi_access_logs (
    tenant_id, resource_type, resource_id, patient_id, access_kind, row_count, purpose_of_use, recipient, legal_basis,
    consent_id
  )
  values (
    core.require_tenant(), p_resource_type, p_resource_id, p_patient_id, 'disclosure', 1,
    nullif(pg_catalog.current_setting('app.purpose', true), ''), p_recipient, p_legal_basis, p_consent_id
  );
end
$$;

comment on function audit.log_disclosure(text, uuid, uuid, text, text, uuid) is 'about=Logs that health data left the house: to whom, and on what legal basis. Both are required (23514).';

alter function audit.log_disclosure(text, uuid, uuid, text, text, uuid) owner to audit_writer;

grant select on audit.break_glass_sessions to audit_writer;
