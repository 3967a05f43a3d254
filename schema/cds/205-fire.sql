-- One live alert a risk and subject. Private to the module.

create function cds.fire(p_wanted cds.alerts) returns cds.alerts
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_order text[] := array['info', 'warning', 'hard_stop'];
  v_shown boolean := array_position(v_order, p_wanted.severity)
    >= array_position(v_order, coalesce(core.setting('cds.show_from') #>> '{}', 'info'));
  v_alert cds.alerts;
begin
  insert into cds.alerts as a (
    tenant_id, rule_id, interaction_id, dose_limit_id, allergy_id, patient_id, encounter_id, subject_type, subject_id,
    category, severity, message, evidence, suppressed_reason, dedupe_key, status
  )
  values (
    p_wanted.tenant_id, p_wanted.rule_id, p_wanted.interaction_id, p_wanted.dose_limit_id, p_wanted.allergy_id,
    p_wanted.patient_id, p_wanted.encounter_id, p_wanted.subject_type, p_wanted.subject_id, p_wanted.category,
    p_wanted.severity, p_wanted.message, coalesce(p_wanted.evidence, '{}'),
    case when not v_shown then 'setting cds.show_from' end, p_wanted.dedupe_key,
    case when v_shown then 'fired' else 'suppressed' end
  )
  on conflict (tenant_id, dedupe_key) where status not in ('accepted', 'expired') do nothing
  returning a.* into v_alert;
  if not found then
    select a.* into v_alert
    from cds.alerts a
    where
      a.tenant_id = p_wanted.tenant_id and a.dedupe_key = p_wanted.dedupe_key
      and a.status not in ('accepted', 'expired');
  end if;
  return v_alert;
end
$$;

comment on function cds.fire(cds.alerts) is 'about=Writes an alert, or returns the live one of the same dedupe_key. What is less severe than setting cds.show_from (default info) is kept as suppressed.';
