-- From an order to labelled samples, and from a sample to its aliquots.

create function laboratory.add_sample(
  p_order laboratory.lab_orders,
  p_specimen_type text,
  p_container text,
  p_barcode text,
  p_recollection_of_id uuid
) returns laboratory.samples
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_number text := core.next_default_number('accession', '', 'L{YY}-');
  v_sample laboratory.samples;
begin
  insert into laboratory.samples (
    tenant_id, accession_number, barcode, order_id, patient_id, specimen_type, container, recollection_of_id
  )
  values (
    p_order.tenant_id, v_number, coalesce(p_barcode, v_number), p_order.id, p_order.patient_id, p_specimen_type,
    p_container, p_recollection_of_id
  )
  on conflict on constraint samples_barcode_key do nothing
  returning * into v_sample;
  if not found then
    raise exception 'the barcode for order % is on another sample', p_order.id
      using errcode = 'IM303', hint = 'print a new label';
  end if;
  insert into laboratory.sample_events (tenant_id, sample_id, occurred_at, to_status, actor_id)
  values (p_order.tenant_id, v_sample.id, now(), 'planned', workforce.acting_staff_id());
  return v_sample;
end
$$;

comment on function laboratory.add_sample(laboratory.lab_orders, text, text, text, uuid) is 'about=A planned sample of an order that the caller has locked, with its number, label and first event. IM303 the barcode is taken.';

create function laboratory.accession(p_order_id uuid, p_labels jsonb default '[]') returns setof laboratory.samples
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_order laboratory.lab_orders := laboratory.lock_order(p_order_id);
  v_specimen record;
  v_sample laboratory.samples;
begin
  for v_specimen in
    select t.specimen_type, t.container
    from laboratory.lab_order_items i
    join laboratory.lab_tests t on t.id = i.test_id
    where i.tenant_id = v_tenant and i.order_id = p_order_id and i.status = 'ordered' and i.sample_id is null
    group by t.specimen_type, t.container
    order by t.specimen_type, t.container
  loop
    v_sample := laboratory.add_sample(
      v_order, v_specimen.specimen_type, v_specimen.container,
      (
        select l.label ->> 'barcode'
        from pg_catalog.jsonb_array_elements(p_labels) as l (label)
        where
          l.label ->> 'specimen_type' = v_specimen.specimen_type
          and coalesce(l.label ->> 'container', v_specimen.container) = v_specimen.container
        limit 1
      ),
      null
    );
    update laboratory.lab_order_items i
    set sample_id = v_sample.id
    where
      i.tenant_id = v_tenant and i.order_id = p_order_id and i.status = 'ordered' and i.sample_id is null
      and i.test_id in (
        select t.id
        from laboratory.lab_tests t
        where t.specimen_type = v_specimen.specimen_type and t.container = v_specimen.container
      );
  end loop;
  return query
  select s.*
  from laboratory.samples s
  where s.tenant_id = v_tenant and s.order_id = p_order_id and s.parent_sample_id is null
  order by s.accession_number;
end
$$;

comment on function laboratory.accession(uuid, jsonb) is 'about=Plans the samples of an order: one for each specimen type and container that its tests need, with accession number and barcode. p_labels names preprinted barcodes: [{specimen_type, container, barcode}]. Returns all primary samples of the order; asked again it makes none twice. IM005 no such order, IM006, IM303 barcode taken.';

create function laboratory.create_aliquots(
  p_sample_id uuid,
  p_volumes_ml numeric[],
  p_client_op_id uuid,
  p_actor_id uuid default null,
  p_location_id uuid default null
) returns setof laboratory.samples
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_sample laboratory.samples := laboratory.lock_sample(p_sample_id);
  v_actor_id uuid := coalesce(p_actor_id, workforce.acting_staff_id());
  v_first smallint;
  v_no smallint;
  v_aliquot laboratory.samples;
begin
  if p_client_op_id is null or coalesce(pg_catalog.cardinality(p_volumes_ml), 0) = 0 or 0 >= any (p_volumes_ml) then
    raise exception 'aliquots of sample % need volumes above zero and an operation id', p_sample_id
      using errcode = '22023', hint = 'give the volumes in ml, and one new id for the whole call';
  end if;
  -- the id of the call is on the event of its first aliquot
  select a.aliquot_no into v_first
  from laboratory.sample_events e
  join laboratory.samples a on a.tenant_id = e.tenant_id and a.id = e.sample_id
  where e.tenant_id = v_tenant and e.client_op_id = p_client_op_id and a.parent_sample_id = p_sample_id;

  if v_first is null then
    if v_sample.status not in ('accessioned', 'aliquoted') or v_sample.parent_sample_id is not null then
      raise exception 'sample % is % and cannot be divided', p_sample_id, v_sample.status
        using errcode = 'IM300', hint = 'divide a primary sample that is accessioned';
    end if;
    if v_sample.status = 'accessioned' then
      perform laboratory.move_sample(v_sample, 'aliquoted', v_actor_id, p_location_id);
    end if;
    select coalesce(pg_catalog.max(s.aliquot_no), 0) + 1 into v_first
    from laboratory.samples s
    where s.tenant_id = v_tenant and s.parent_sample_id = p_sample_id;

    for v_index in 1..pg_catalog.cardinality(p_volumes_ml) loop
      v_no := v_first + v_index - 1;
      v_aliquot := v_sample;
      v_aliquot.id := core.uuid_v7();
      v_aliquot.accession_number := v_sample.accession_number || '-A' || v_no;
      v_aliquot.barcode := v_aliquot.accession_number;
      v_aliquot.parent_sample_id := p_sample_id;
      v_aliquot.aliquot_no := v_no;
      v_aliquot.volume_ml := p_volumes_ml[v_index];
      v_aliquot.recollection_of_id := null;
      v_aliquot.status := 'accessioned';
      v_aliquot.row_version := 1;
      v_aliquot.created_at := now();
      v_aliquot.created_by := core.current_user_id();
      v_aliquot.updated_at := now();
      v_aliquot.updated_by := null;
      insert into laboratory.samples values (v_aliquot.*) on conflict on constraint samples_barcode_key do nothing;
      if not found then
        raise exception 'the barcode of an aliquot of sample % is on another sample', p_sample_id
          using errcode = 'IM303', hint = 'print a new label';
      end if;
      insert into laboratory.sample_events (
        tenant_id, sample_id, occurred_at, to_status, actor_id, location_id, client_op_id
      )
      values (
        v_tenant, v_aliquot.id, now(), 'accessioned', v_actor_id, p_location_id,
        case when v_index = 1 then p_client_op_id end
      );
    end loop;
  end if;
  return query
  select s.*
  from laboratory.samples s
  where
    s.tenant_id = v_tenant and s.parent_sample_id = p_sample_id
    and s.aliquot_no between v_first and v_first + pg_catalog.cardinality(p_volumes_ml) - 1
  order by s.aliquot_no;
end
$$;

comment on function laboratory.create_aliquots(uuid, numeric[], uuid, uuid, uuid) is 'about=Divides an accessioned sample into aliquots of so many ml each; the same p_client_op_id again returns the same aliquots. IM005 no such sample, IM006, IM300 it cannot be divided, IM303 barcode taken, IM304 more than the sample holds.';
