-- Which NHCX workflow id a submission has. The codes are rows of setting insurance.workflow_rules, never constants:
-- NHA changes them (the reply to a query of a claim is 151 in one version and 161 in another), a tenant may have its
-- own.

create function insurance.resolve_workflow(
  p_new text,
  p_parent_use text default null,
  p_parent_answer text default null,
  p_parent_code text default null,
  p_items_changed boolean default null
) returns text
  language plpgsql
  stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule jsonb;
  v_items text := case when p_items_changed then 'changed' else 'same' end;
  v_refusal text;
begin
  for v_rule in
    select r.value
    from jsonb_array_elements(core.setting('insurance.workflow_rules')) with ordinality as r (value, n)
    order by r.n
  loop
    continue when v_rule ->> 'new' <> p_new or v_rule ->> 'parent' is distinct from p_parent_use;
    continue when v_rule ? 'answer' and not coalesce(v_rule -> 'answer' ? p_parent_answer, false);
    continue when v_rule ? 'sent_as' and not coalesce(v_rule -> 'sent_as' ? p_parent_code, false);
    continue when v_rule ? 'items' and v_rule ->> 'items' <> v_items;
    if v_rule ? 'code' then
      return v_rule ->> 'code';
    end if;
    v_refusal := v_rule ->> 'refuse';
    exit;
  end loop;
  raise exception 'a % cannot follow a % that was answered "%"',
    p_new, coalesce(p_parent_use, 'submission of nothing'), coalesce(p_parent_answer, 'not yet')
    using errcode = 'IM606', hint = coalesce(v_refusal, 'setting insurance.workflow_rules lists what may follow what');
end
$$;

comment on function insurance.resolve_workflow(text, text, text, text, boolean) is 'about=Workflow id of a new submission (preauthorization, claim, claim_without_approval, cancel, reprocess, payment_acknowledgement) by use, answer and code of the one before it and whether the item codes changed; the first fitting row of setting insurance.workflow_rules decides. IM606 none fits, or the row refuses and says what to do instead.';

create function insurance.items_changed(p_claim_id uuid, p_other_id uuid) returns boolean
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from (
      select i.code_system, i.code
      from insurance.insurance_claim_items i
      where i.tenant_id = core.require_tenant() and i.claim_id in (p_claim_id, p_other_id)
      group by i.code_system, i.code
      having count(distinct i.claim_id) = 1
    ) only_one
  )
$$;

comment on function insurance.items_changed(uuid, uuid) is 'about=True when the sets of item codes of two submissions differ; amounts, strata and implants do not count.';
