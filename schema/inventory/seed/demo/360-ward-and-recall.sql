-- Demo: the ward is supplied, goods are reserved for an operation, some were given to patients 11 and 19, one batch is
-- recalled, a shelf was counted, an ampoule broke.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_mrn text;
  v_store uuid;
  v_ward uuid;
  v_given record;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_mrn := case v_id when 'da000000' then 'ASHA-0000' else 'NILE-0000' end;
    v_store := (v_id || '-0700-7000-8000-000000000001')::uuid;
    v_ward := (v_id || '-0700-7000-8000-000000000002')::uuid;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000008')::uuid, 'nurse', 'TREAT', null);
    continue when exists (select from inventory.indents i where i.tenant_id = v_tenant);

    -- one indent that arrived, one on its way, one that waits
    perform inventory.request_indent(
      (v_id || '-0706-7000-8000-00000000000' || i.n)::uuid, v_store, v_ward,
      jsonb_build_array(
        jsonb_build_object('item_id', v_id || '-0701-7000-8000-000000000004', 'quantity', i.saline),
        jsonb_build_object('item_id', v_id || '-0701-7000-8000-000000000007', 'quantity', 50)
      ),
      i.priority
    )
    from (values (1, 12, 'routine'), (2, 6, 'urgent'), (3, 24, 'routine')) as i (n, saline, priority);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000010')::uuid, 'pharmacist', 'TREAT', null);
    perform inventory.decide_indent((v_id || '-0706-7000-8000-00000000000' || n)::uuid, true) from generate_series(1, 2) n;
    perform inventory.issue_indent(
      (v_id || '-0706-7000-8000-00000000000' || n)::uuid, 'demo-issue-' || v_id || '-' || n
    )
    from generate_series(1, 2) n;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000008')::uuid, 'nurse', 'TREAT', null);
    perform inventory.receive_indent((v_id || '-0706-7000-8000-000000000001')::uuid);

    -- given on the ward: saline to both patients, a mesh in the theatre to patient 11
    for v_given in
      select g.*, p.id as patient_id
      from (
        values (1, '11', 'ward', 4, 2), (2, '19', 'ward', 4, 1), (3, '11', 'store', 8, 1), (4, '19', 'store', 11, 1)
      ) as g (n, mrn, place, batch, quantity)
      join patient.patients p on p.tenant_id = v_tenant and p.mrn = v_mrn || g.mrn
      order by g.n
    loop
      perform inventory.post_movement(
        'consume', case v_given.place when 'ward' then v_ward else v_store end,
        (v_id || '-0705-7000-8000-' || lpad(v_given.batch::text, 12, '0'))::uuid, v_given.quantity, 'encounter_item',
        (v_id || '-0707-7000-8000-00000000000' || v_given.n)::uuid, 'demo-given-' || v_id || '-' || v_given.n,
        p_patient_id => v_given.patient_id
      );
    end loop;

    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000010')::uuid, 'pharmacist', 'HOPERAT', null);
    perform inventory.reserve_fefo(
      v_store, (v_id || '-0701-7000-8000-000000000003')::uuid, 2, 'procedure',
      (v_id || '-0707-7000-8000-000000000011')::uuid, interval '8 hours'
    );
    perform inventory.release_reservation(r.id)
    from inventory.reserve_fefo(
      v_store, (v_id || '-0701-7000-8000-000000000008')::uuid, 1, 'procedure',
      (v_id || '-0707-7000-8000-000000000012')::uuid
    ) r;
    perform inventory.recall_batch((v_id || '-0705-7000-8000-000000000011')::uuid, 'RN-DEMO-07', 'II');

    -- counted by the nurse, approved by the pharmacist; an ampoule that broke before a witness
    perform inventory.count_adjust(
      v_store, (v_id || '-0705-7000-8000-000000000007')::uuid, c.on_hand - 4, (v_id || '-0006-7000-8000-000000000008')::uuid,
      'stock_count', (v_id || '-0707-7000-8000-000000000021')::uuid, 'demo-count-' || v_id
    )
    from inventory.stock_balances c
    where
      c.tenant_id = v_tenant and c.store_location_id = v_store
      and c.batch_id = (v_id || '-0705-7000-8000-000000000007')::uuid;
    perform inventory.post_movement(
      'destroy', v_store, (v_id || '-0705-7000-8000-000000000005')::uuid, 1, 'incident',
      (v_id || '-0707-7000-8000-000000000031')::uuid, 'demo-broken-' || v_id, 'broken',
      (v_id || '-0006-7000-8000-000000000004')::uuid, (v_id || '-0006-7000-8000-000000000008')::uuid
    );
  end loop;
end
$$;
