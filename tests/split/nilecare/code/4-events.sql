delimiter //

create event close_old_sessions on schedule every 1 hour disable do
  delete from sessions where seen_at < now() - interval 1 day//

create event remind_appointments on schedule every 1 day disable do
  insert into notifications (notice_ref, template_id, patient_id)
  select uuid(), 2, a.patient_id from appointments a where date(a.starts_at) = curdate() + interval 1 day//

create event expire_policies on schedule every 1 day disable do
begin
  update claims c join insurance_policies y on y.id = c.policy_id set c.state = 'rejected' where y.valid_to < curdate() and c.state = 'draft';
  insert into cds_alerts (alert_ref, rule_id, patient_id) select uuid(), 1, y.patient_id from insurance_policies y where y.valid_to = curdate();
end//

create event reorder_drugs on schedule every 1 day disable do
  insert into purchase_orders (supplier_id, ordered_by, ordered_on)
  select 1, 1, curdate() from inventory_items i join drugs d on d.id = i.drug_id where d.controlled = 0 limit 1//
