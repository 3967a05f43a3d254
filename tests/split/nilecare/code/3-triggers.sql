delimiter //

create trigger invoice_lines_total after insert on invoice_lines for each row
begin
  if @nilecare_load is null then
    update invoices set total = total + new.amount where id = new.invoice_id;
  end if;
end//

create trigger encounters_visit after insert on encounters for each row
begin
  if @nilecare_load is null then
    update patients set last_visit_on = date(new.started_at) where id = new.patient_id;
  end if;
end//

create trigger lab_results_notify after insert on lab_results for each row
begin
  if @nilecare_load is null and find_in_set('critical', new.flags) > 0 then
    insert into notifications (notice_ref, template_id) values (uuid(), 1);
  end if;
end//

create trigger administrations_stock after insert on administrations for each row
begin
  if @nilecare_load is null then
    insert into inventory_movements (movement_ref, item_id, quantity)
      select uuid(), s.id, -1
      from prescription_items i join inventory_items s on s.drug_id = i.drug_id
      where i.prescription_id = new.prescription_id and i.line_no = new.line_no limit 1;
  end if;
end//

create trigger appointments_priority before insert on appointments for each row
begin
  if @nilecare_load is null and (select is_deceased from patients where id = new.patient_id) = 1 then
    set new.state = 'cancelled';
  end if;
end//

create trigger claims_discount before update on claims for each row
begin
  set @discount = (select max(discount_rate) from contracts where insurer_id = (select insurer_id from insurance_policies where id = new.policy_id));
end//
