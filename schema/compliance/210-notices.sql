-- The texts that are shown before consent.

create function compliance.publish_notice(
  p_code text,
  p_locale text,
  p_purpose text[],
  p_data_categories text[],
  p_body text,
  p_withdrawal_how text,
  p_complaint_how text,
  p_version int default 1,
  p_effective_from timestamptz default now()
) returns compliance.consent_notices
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_notice compliance.consent_notices;
begin
  insert into compliance.consent_notices as n (
    tenant_id, code, version, locale, purpose, data_categories, body, withdrawal_how, complaint_how, effective_from
  )
  values (
    v_tenant, p_code, p_version, p_locale, p_purpose, p_data_categories, p_body, p_withdrawal_how, p_complaint_how,
    p_effective_from
  )
  on conflict (tenant_id, code, version, locale) do nothing
  returning n.* into v_notice;
  if found then
    return v_notice;
  end if;
  select n.* into v_notice
  from compliance.consent_notices n
  where n.tenant_id = v_tenant and n.code = p_code and n.version = p_version and n.locale = p_locale;
  if v_notice.body_hash <> compliance.text_hash(p_body) or v_notice.purpose <> p_purpose then
    raise exception 'version % of notice "%" has another text', p_version, p_code
      using errcode = 'IM011', hint = 'another text is another version';
  end if;
  return v_notice;
end
$$;

comment on function compliance.publish_notice(text, text, text[], text[], text, text, text, int, timestamptz) is 'about=Adds a notice of the tenant in one language. A version is written once; sent again it is returned. IM003 no tenant, IM011 the version has another text.';
