-- The register that the law asks of pharmacies for Schedule H1, Schedule X and narcotic drugs: every movement with its
-- running balance, and for what a patient received the patient and the prescriber. It is the stock ledger, read another
-- way, so the two cannot disagree.

create view medication.controlled_drug_register with (security_invoker = true) as
select
  m.tenant_id,
  m.id as movement_id,
  m.moved_at,
  m.store_location_id,
  m.item_id,
  i.name as item_name,
  d.id as drug_id,
  d.generic_name,
  d.schedule,
  b.batch_no,
  b.expiry_on,
  m.kind,
  m.quantity,
  -- per store and item, over all batches, in the order in which the ledger was written
  sum(m.quantity) over (
    partition by m.tenant_id, m.store_location_id, m.item_id
    order by m.moved_at, m.id
  ) as balance,
  m.patient_id,
  concat_ws(' ', t.given_name, t.family_name) as patient_name,
  t.mrn,
  s.dispense_number,
  p.prescription_number,
  p.doctor_id,
  concat_ws(' ', w.given_name, w.family_name) as prescriber_name,
  r.registration_no as prescriber_registration,
  s.prepared_by,
  s.checked_by,
  m.reason_code,
  m.witness_id
from inventory.stock_movements m
join inventory.items i on i.tenant_id = m.tenant_id and i.id = m.item_id
join medication.drugs d on d.id = i.drug_id and d.schedule in ('H1', 'X', 'NDPS')
join inventory.batches b on b.tenant_id = m.tenant_id and b.id = m.batch_id
left join medication.dispense_items l
  on m.ref_type = 'medication.dispense_items' and l.tenant_id = m.tenant_id and l.id = m.ref_id
left join medication.dispenses s on s.tenant_id = l.tenant_id and s.id = l.dispense_id
left join medication.prescriptions p on p.tenant_id = s.tenant_id and p.id = s.prescription_id
left join workforce.doctors r on r.tenant_id = p.tenant_id and r.id = p.doctor_id
left join workforce.staff w on w.tenant_id = r.tenant_id and w.id = r.staff_id
left join patient.patients t on t.tenant_id = m.tenant_id and t.id = m.patient_id;

comment on view medication.controlled_drug_register is 'about=Register of Schedule H1, Schedule X and narcotic drugs: every movement of stock with the running balance of its store and item, the patient, the prescriber, and who prepared and checked it.';
