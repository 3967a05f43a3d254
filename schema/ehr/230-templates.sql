-- Templates: a draft is approved by somebody else and takes the place of the version in use.

create function ehr.lock_template(p_template_id uuid) returns ehr.document_templates
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_template ehr.document_templates;
begin
  select t.* into v_template
  from ehr.document_templates t
  where t.tenant_id = v_tenant and t.id = p_template_id
  for no key update;
  if not found then
    raise exception 'template % is not one of the tenant', p_template_id
      using errcode = 'IM005', hint = 'shared templates are changed by a release; copy it to change it';
  end if;
  return v_template;
end
$$;

comment on function ehr.lock_template(uuid) is 'about=The tenant''s template, locked until the transaction ends. IM005 no such template, or a shared one.';

create function ehr.activate_template(p_template_id uuid, p_effective_from date default core.tenant_today())
  returns ehr.document_templates
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_template ehr.document_templates := ehr.lock_template(p_template_id);
begin
  if v_template.status = 'active' then
    return v_template;
  end if;
  if core.current_user_id() is null or core.current_user_id() = v_template.created_by then
    raise exception 'template % must be approved by another user than its author', p_template_id
      using errcode = 'IM006', hint = 'ask a colleague to activate it';
  end if;
  update ehr.document_templates t
  set status = 'retired'
  where
    t.tenant_id = v_template.tenant_id and t.code = v_template.code and t.locale = v_template.locale
    and t.status = 'active' and v_template.status = 'draft';
  update ehr.document_templates t
  set status = 'active', approved_by = core.current_user_id(), effective_from = p_effective_from
  where t.tenant_id = v_template.tenant_id and t.id = v_template.id
  returning t.* into v_template;
  return v_template;
end
$$;

comment on function ehr.activate_template(uuid, date) is 'about=Approves a draft as the signed-in user and retires the version that was in use. IM001 it is not a draft, IM005 no such template of the tenant, IM006 its author cannot approve it.';

create function ehr.withdraw_template(p_template_id uuid, p_reason text) returns ehr.document_templates
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_template ehr.document_templates := ehr.lock_template(p_template_id);
begin
  if v_template.status in ('withdrawn', 'retired') then
    return v_template;
  end if;
  perform core.set_reason(btrim(p_reason));
  update ehr.document_templates t
  set status = case t.status when 'draft' then 'withdrawn' else 'retired' end
  where t.tenant_id = v_template.tenant_id and t.id = v_template.id
  returning t.* into v_template;
  return v_template;
end
$$;

comment on function ehr.withdraw_template(uuid, text) is 'about=Takes a template out of use: a draft is withdrawn, an active one retired. IM002 no reason for a draft, IM005 no such template of the tenant.';
