-- A recall: the batch stops at once, promises of it end, and everybody who got it is named.

create function inventory.batch_recipients(p_batch_id uuid)
  returns table (patient_id uuid, quantity numeric, first_at timestamptz, last_at timestamptz)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_rows int;
begin
  return query
  select m.patient_id, -sum(m.quantity), min(m.moved_at), max(m.moved_at)
  from inventory.stock_movements m
  where m.tenant_id = v_tenant and m.batch_id = p_batch_id and m.patient_id is not null
  group by m.patient_id
  order by m.patient_id;
  get diagnostics v_rows = row_count;
  perform audit.log_access('Batch', p_batch_id, null, 'list', array['patient_id'], v_rows);
end
$$;

comment on function inventory.batch_recipients(uuid) is 'about=The patients to whom the ledger says that a batch went, with the quantity that was not brought back. Other modules know more: implants, vaccinations, administrations. Logged as a read of health data.';

create function inventory.recall_batch(p_batch_id uuid, p_recall_ref text, p_recall_class text default 'II')
  returns table (patient_id uuid, quantity numeric, first_at timestamptz, last_at timestamptz)
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '3s'
as $$
declare
  v_batch inventory.batches := inventory.lock_batch(p_batch_id);
  v_recipient record;
begin
  if v_batch.status = 'recalled' and v_batch.recall_ref = p_recall_ref then
    return query select r.* from inventory.batch_recipients(p_batch_id) r;
    return;
  end if;
  if nullif(btrim(p_recall_ref), '') is null then
    raise exception 'batch % is recalled by a notice', p_batch_id
      using errcode = 'IM002', hint = 'pass the number of the recall notice in p_recall_ref';
  end if;
  if v_batch.status = 'recalled' then
    raise exception 'batch % was recalled by notice "%"', p_batch_id, v_batch.recall_ref
      using errcode = 'IM001', hint = 'repeat the recall with that notice to get its patients';
  end if;
  perform core.set_reason(p_recall_ref);
  update inventory.batches b
  set status = 'recalled', recall_ref = p_recall_ref, recall_class = p_recall_class, recalled_at = now(), hold_reason = null
  where b.tenant_id = v_batch.tenant_id and b.id = v_batch.id;
  perform inventory.release_promises(v_batch);
  for v_recipient in select r.* from inventory.batch_recipients(p_batch_id) r
  loop
    perform core.enqueue(
      'stock', p_batch_id, 'stock.recalled.v1',
      jsonb_build_object('batch_id', p_batch_id, 'patient_id', v_recipient.patient_id)
    );
    patient_id := v_recipient.patient_id;
    quantity := v_recipient.quantity;
    first_at := v_recipient.first_at;
    last_at := v_recipient.last_at;
    return next;
  end loop;
end
$$;

comment on function inventory.recall_batch(uuid, text, text) is 'about=Recalls a batch by a notice (class I, II or III): nothing of it leaves a store any more, its reservations are released, and the patients who got it are returned, with an event for the batch and one for each patient. Repeated: the same patients. IM001 destroyed, sent back or recalled by another notice, IM002 no notice, IM005 no such batch.';
