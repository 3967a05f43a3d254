-- Haemovigilance.

create function blood_bank.report_reaction(
  p_issue_id uuid,
  p_kind text,
  p_severity text,
  p_onset_at timestamptz,
  p_reported_by uuid,
  p_signs jsonb default '{}',
  p_actions jsonb default '{}'
) returns blood_bank.transfusion_reactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_issue blood_bank.blood_issues := blood_bank.lock_issue(p_issue_id);
  v_reaction blood_bank.transfusion_reactions;
begin
  select x.* into v_reaction
  from blood_bank.transfusion_reactions x
  where x.tenant_id = v_issue.tenant_id and x.issue_id = p_issue_id and x.kind = p_kind and x.onset_at = p_onset_at;
  if found then
    return v_reaction;
  end if;
  if v_issue.started_at is null then
    raise exception 'the transfusion of issue % has not begun', p_issue_id
      using errcode = 'IM001', hint = 'record its start first';
  end if;
  if v_issue.status = 'transfusing' then
    perform blood_bank.stop_transfusion(p_issue_id, 'reaction: ' || p_kind);
  end if;
  insert into blood_bank.transfusion_reactions as x (
    tenant_id, reaction_number, issue_id, patient_id, onset_at, kind, severity, signs, actions, reported_by
  )
  values (
    v_issue.tenant_id, core.next_default_number('transfusion_reaction', '', 'TR-{YY}-'), p_issue_id,
    v_issue.patient_id, p_onset_at, p_kind, p_severity, p_signs, p_actions, p_reported_by
  )
  returning x.* into v_reaction;
  return v_reaction;
end
$$;

comment on function blood_bank.report_reaction(uuid, text, text, timestamptz, uuid, jsonb, jsonb) is 'about=Reports a reaction; a transfusion that is running is stopped. Issue, kind and onset are one reaction: reported again, the same row. IM001 the transfusion has not begun, IM005 no such issue.';

create function blood_bank.lock_reaction(p_reaction_id uuid) returns blood_bank.transfusion_reactions
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_reaction blood_bank.transfusion_reactions;
begin
  select x.* into v_reaction
  from blood_bank.transfusion_reactions x
  where x.tenant_id = v_tenant and x.id = p_reaction_id
  for no key update;
  if not found then
    raise exception 'transfusion reaction % does not exist', p_reaction_id
      using errcode = 'IM005', hint = 'choose a reaction of the tenant';
  end if;
  return v_reaction;
end
$$;

comment on function blood_bank.lock_reaction(uuid) is 'about=The reaction, locked until the transaction ends. IM005 no such reaction.';

create function blood_bank.investigate_reaction(p_reaction_id uuid, p_workup jsonb) returns blood_bank.transfusion_reactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reaction blood_bank.transfusion_reactions := blood_bank.lock_reaction(p_reaction_id);
begin
  update blood_bank.transfusion_reactions x
  set status = 'investigating', workup = coalesce(x.workup, '{}') || p_workup
  where x.tenant_id = v_reaction.tenant_id and x.id = v_reaction.id
  returning x.* into v_reaction;
  return v_reaction;
end
$$;

comment on function blood_bank.investigate_reaction(uuid, jsonb) is 'about=Adds findings to the work-up of a reaction, which is being investigated then. IM001 concluded already, IM005 no such reaction.';

create function blood_bank.conclude_reaction(p_reaction_id uuid, p_imputability text)
  returns blood_bank.transfusion_reactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reaction blood_bank.transfusion_reactions := blood_bank.lock_reaction(p_reaction_id);
begin
  if v_reaction.status in ('concluded', 'closed') and v_reaction.imputability = p_imputability then
    return v_reaction;
  end if;
  if v_reaction.status in ('concluded', 'closed') then
    raise exception 'transfusion reaction % is concluded', p_reaction_id
      using errcode = 'IM001', hint = 'report a new finding as another reaction';
  end if;
  update blood_bank.transfusion_reactions x
  set status = 'concluded', imputability = p_imputability
  where x.tenant_id = v_reaction.tenant_id and x.id = v_reaction.id
  returning x.* into v_reaction;
  return v_reaction;
end
$$;

comment on function blood_bank.conclude_reaction(uuid, text) is 'about=Says whether it was the transfusion. IM001 not investigated, or concluded otherwise, IM005 no such reaction.';

create function blood_bank.close_reaction(
  p_reaction_id uuid,
  p_hvpi_ref text default null,
  p_hvpi_reported_at timestamptz default now()
) returns blood_bank.transfusion_reactions
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_reaction blood_bank.transfusion_reactions := blood_bank.lock_reaction(p_reaction_id);
begin
  if v_reaction.status = 'closed' then
    return v_reaction;
  end if;
  update blood_bank.transfusion_reactions x
  set
    status = 'closed', hvpi_ref = p_hvpi_ref,
    hvpi_reported_at = case when p_hvpi_ref is not null then p_hvpi_reported_at end
  where x.tenant_id = v_reaction.tenant_id and x.id = v_reaction.id
  returning x.* into v_reaction;
  return v_reaction;
end
$$;

comment on function blood_bank.close_reaction(uuid, text, timestamptz) is 'about=Closes a concluded reaction, with the reference of its report to the haemovigilance programme where there is one. IM001 not concluded, IM005 no such reaction.';
