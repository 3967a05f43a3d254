-- Bills and appointments are known by their references.
create function payment.check_item_references(p_items jsonb) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
begin
  if exists (
    select
    from pg_catalog.jsonb_array_elements(p_items) as i
    cross join lateral (
      values
        ('billing.invoices', (i.value ->> 'invoice_id')::uuid),
        ('scheduling.appointments', (i.value ->> 'appointment_id')::uuid)
    ) as named (entity_type, entity_id)
    where
      named.entity_id is not null
      and not exists (
        select
        from core.entity_refs r
        where r.tenant_id = v_tenant and r.entity_type = named.entity_type and r.entity_id = named.entity_id
      )
  ) then
    raise exception 'an item names a bill or appointment that is not known'
      using errcode = 'IM005', hint = 'choose bills and appointments of the tenant';
  end if;
end
$$;
