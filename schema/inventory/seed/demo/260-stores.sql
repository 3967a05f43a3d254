-- Demo: the pharmacy store and the ward's cupboard, what can be in them, whom it is bought from, a purchase that went
-- through every step, and stock of all ages. Items 1 to 10 and their batches keep their ids for the other modules.

select core.assert_not_production();

do $$
declare
  v_tenant uuid;
  v_id text; -- the front of the ids of this tenant
  v_store uuid;
  v_row record;
begin
  foreach v_tenant in array
    array['da000000-0000-7000-8000-000000000000', 'db000000-0000-7000-8000-000000000000']::uuid[]
  loop
    perform set_config('app.tenant_id', '', true); -- a transaction is for one tenant, a seed for both
    v_id := left(v_tenant::text, 8);
    v_store := (v_id || '-0700-7000-8000-000000000001')::uuid;
    perform set_config('app.field_key', 'demo field key, not a secret', true);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000010')::uuid, 'pharmacist', 'HOPERAT', null);
    continue when exists (select from inventory.items i where i.tenant_id = v_tenant);

    insert into facility.locations (tenant_id, id, clinic_id, parent_location_id, department_id, kind, code, name)
    select
      v_tenant, (v_id || '-0700-7000-8000-00000000000' || l.n)::uuid, (v_id || '-0001-7000-8000-000000000001')::uuid,
      (v_id || '-0003-7000-8000-00000000000' || l.inside)::uuid, (v_id || '-0002-7000-8000-00000000000' || l.department)::uuid,
      'store', l.code, l.name
    from (
      values (1, 2, 4, 'PHARM', 'Pharmacy store'), (2, 8, 3, 'CUPB', 'Ward cupboard')
    ) as l (n, inside, department, code, name);

    insert into inventory.items (
      tenant_id, id, sku, name, kind, base_unit, pack_unit, pack_size, gst_rate, is_formulary, is_controlled,
      reorder_level, reorder_qty, min_shelf_life_days, storage
    )
    select
      v_tenant, (v_id || '-0701-7000-8000-' || lpad(i.n::text, 12, '0'))::uuid, i.sku, i.name, i.kind, i.unit, i.pack,
      i.size, i.gst, i.kind = 'drug', i.sku = 'MORP10', i.level, i.level * 2, i.shelf_life, i.storage
    from (
      values
        (1, 'PARA500', 'Paracetamol 500 mg tablet', 'drug', 'tablet', 'strip', 10, 12, 200, 180, null),
        (2, 'AMOX500', 'Amoxicillin 500 mg capsule', 'drug', 'capsule', 'strip', 10, 12, 100, 180, null),
        (3, 'CEFT1G', 'Ceftriaxone 1 g vial', 'drug', 'vial', null, null, 12, 20, 180, null),
        (4, 'NACL500', 'Sodium chloride 0.9 % 500 ml', 'drug', 'bottle', 'box', 24, 12, 24, 180, null),
        (5, 'MORP10', 'Morphine 10 mg/ml ampoule', 'drug', 'ampoule', 'box', 5, 12, 5, 90, 'locked cupboard'),
        (6, 'INSREG', 'Insulin regular 100 IU/ml vial', 'drug', 'vial', null, null, 5, 5, 90, '2-8 °C'),
        (7, 'GLOVEM', 'Examination gloves, medium', 'consumable', 'pair', 'box', 50, 12, 200, null, null),
        (8, 'HERNMESH', 'Hernia mesh 15 x 15 cm', 'implant', 'piece', null, null, 5, 2, 365, null),
        (9, 'CBCREAG', 'Reagent for blood counts', 'reagent', 'test', 'kit', 100, 12, 100, 60, '2-8 °C'),
        (10, 'BAG350', 'Blood bag 350 ml CPDA-1', 'blood_bag', 'piece', 'box', 10, 12, 10, 60, null)
    ) as i (n, sku, name, kind, unit, pack, size, gst, level, shelf_life, storage);

    insert into inventory.suppliers (
      tenant_id, id, code, name, gstin, drug_licence_no, licence_valid_to, contact, payment_terms_days, bank_enc, ifsc,
      rating
    )
    select
      v_tenant, (v_id || '-0702-7000-8000-00000000000' || s.n)::uuid, s.code, s.name,
      case when v_id = 'da000000' and s.n = 1 then '27AAPFU0939F1ZV' end, s.licence, current_date + s.days,
      jsonb_build_object('name', 'Sales desk', 'phone', '+000000000' || s.n), 30,
      core.encrypt_text('demo account ' || s.n), case when v_id = 'da000000' then 'SBIN0000300' end, s.rating
    from (
      values
        (1, 'MEDI', 'Meditrade Distributors', 'DL-DEMO-1', 400, 4.5),
        (2, 'SURG', 'Surgimart', null, null, 4.0),
        (3, 'OLDP', 'Old Pharma', 'DL-DEMO-3', -30, 2.0)
    ) as s (n, code, name, licence, days, rating);
    perform core.set_reason('licence has run out');
    update inventory.suppliers s
    set status = 'blocked'
    where s.tenant_id = v_tenant and s.code = 'OLDP';

    -- an order that came in two deliveries, one that waits for approval
    perform inventory.create_purchase_order(
      (v_id || '-0703-7000-8000-00000000000' || o.n)::uuid, (v_id || '-0702-7000-8000-00000000000' || o.supplier)::uuid,
      v_store, o.lines, current_date + 3
    )
    from (
      values
        (
          1, 1,
          jsonb_build_array(
            jsonb_build_object('item_id', v_id || '-0701-7000-8000-000000000001', 'quantity', 1000, 'unit_price', '1.10', 'tax_rate', 12, 'free_qty', 100),
            jsonb_build_object('item_id', v_id || '-0701-7000-8000-000000000003', 'quantity', 60, 'unit_price', '42.00', 'tax_rate', 12)
          )
        ),
        (2, 2, jsonb_build_array(jsonb_build_object('item_id', v_id || '-0701-7000-8000-000000000007', 'quantity', 500, 'unit_price', '3.20', 'tax_rate', 12)))
    ) as o (n, supplier, lines);
    perform inventory.submit_purchase_order(o.id) from inventory.purchase_orders o where o.tenant_id = v_tenant;
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000001')::uuid, 'admin', 'HOPERAT', null);
    perform inventory.decide_purchase_order((v_id || '-0703-7000-8000-000000000001')::uuid, true);
    perform core.begin_request(v_tenant, (v_id || '-0005-7000-8000-000000000010')::uuid, 'pharmacist', 'HOPERAT', null);
    perform inventory.send_purchase_order((v_id || '-0703-7000-8000-000000000001')::uuid);
    perform inventory.receive_goods(
      (v_id || '-0704-7000-8000-000000000001')::uuid, (v_id || '-0702-7000-8000-000000000001')::uuid, v_store,
      'INV-2201', current_date - 1,
      jsonb_build_array(
        jsonb_build_object(
          'item_id', v_id || '-0701-7000-8000-000000000001', 'batch_no', 'PA2501', 'mfg_on', current_date - 60,
          'expiry_on', current_date + 700, 'accepted_qty', 990, 'free_qty', 100, 'rejected_qty', 10,
          'reject_reason', 'strips torn', 'unit_price', '1.10', 'mrp', '1.80', 'tax_rate', 12
        ),
        jsonb_build_object(
          'item_id', v_id || '-0701-7000-8000-000000000003', 'batch_no', 'CE2501', 'mfg_on', current_date - 90,
          'expiry_on', current_date + 400, 'accepted_qty', 40, 'unit_price', '42.00', 'mrp', '65.00', 'tax_rate', 12
        )
      ),
      (v_id || '-0703-7000-8000-000000000001')::uuid
    );
    perform inventory.inspect_goods((v_id || '-0704-7000-8000-000000000001')::uuid);
    perform inventory.post_goods_receipt((v_id || '-0704-7000-8000-000000000001')::uuid);
    -- insulin that came warm
    perform inventory.receive_goods(
      (v_id || '-0704-7000-8000-000000000002')::uuid, (v_id || '-0702-7000-8000-000000000001')::uuid, v_store,
      'INV-2209', current_date,
      jsonb_build_array(jsonb_build_object(
        'item_id', v_id || '-0701-7000-8000-000000000006', 'batch_no', 'IN2511', 'expiry_on', current_date + 300,
        'accepted_qty', 20, 'unit_price', '120.00', 'mrp', '160.00', 'tax_rate', 5
      )),
      p_temperature_ok => false
    );
    perform inventory.inspect_goods((v_id || '-0704-7000-8000-000000000002')::uuid);
    perform inventory.refuse_goods((v_id || '-0704-7000-8000-000000000002')::uuid, 'cold chain broken');

    -- what was there before the system: released one by one, entered as opening stock
    for v_row in
      select b.*, (v_id || '-0705-7000-8000-' || lpad(b.n::text, 12, '0'))::uuid as batch_id
      from (
        values
          (1, 1, 'PA2409', 45, 300, 1.05, 1.80), (2, 2, 'AM2410', 200, 400, 4.20, 6.50),
          (3, 3, 'CE2411', 120, 30, 41.00, 65.00), (4, 4, 'SA2409', 250, 48, 22.00, 35.00),
          (5, 5, 'MO2412', 500, 20, 38.00, 55.00), (6, 6, 'IN2412', 150, 15, 118.00, 160.00),
          (7, 7, 'GL2401', 900, 600, 3.10, null), (8, 8, 'HM2406', 800, 3, 4200.00, 7500.00),
          (9, 9, 'CB2412', 80, 250, 18.00, null), (10, 10, 'BB2412', 300, 40, 95.00, null),
          (11, 4, 'SA2407', 300, 24, 22.00, 35.00), (12, 2, 'AM2406', 20, 60, 4.10, 6.50)
      ) as b (n, item, batch_no, days, quantity, price, mrp)
      order by b.n
    loop
      insert into inventory.batches (tenant_id, id, item_id, batch_no, mfg_on, expiry_on, purchase_price, mrp, manufacturer)
      values (
        v_tenant, v_row.batch_id, (v_id || '-0701-7000-8000-' || lpad(v_row.item::text, 12, '0'))::uuid, v_row.batch_no,
        current_date - 200, current_date + v_row.days, v_row.price, v_row.mrp, 'Demo Laboratories'
      );
      perform inventory.release_batch(v_row.batch_id);
      perform inventory.post_movement(
        'opening', v_store, v_row.batch_id, v_row.quantity, 'opening', v_row.batch_id, 'opening:' || v_row.batch_id,
        'first count', (v_id || '-0006-7000-8000-000000000004')::uuid
      );
    end loop;
    perform inventory.announce_expiring();
  end loop;
end
$$;
