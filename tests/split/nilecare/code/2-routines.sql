delimiter //

create function age_of(p_patient bigint unsigned) returns int reads sql data
begin
  declare v_born date;
  select born_on into v_born from patients where id = p_patient;
  return timestampdiff(year, v_born, curdate());
end//

create function invoice_open(p_invoice bigint unsigned) returns decimal(16,2) reads sql data
return (select balance from invoices where id = p_invoice)//

create procedure free_bed(in p_bed int)
begin
  update beds set state = 'cleaning', moves = moves + 1 where id = p_bed;
end//

create procedure admit_patient(in p_patient bigint unsigned, in p_bed int, in p_user bigint unsigned)
begin
  declare v_ward int;
  declare exit handler for sqlexception begin rollback; resignal; end;
  start transaction;
  select r.ward_id into v_ward from beds b join rooms r on r.id = b.room_id where b.id = p_bed for update;
  insert into encounters (visit_ref, patient_id, ward_id, kind, attending_id) values (uuid(), p_patient, v_ward, 'inpatient', p_user);
  update beds set state = 'occupied' where id = p_bed;
  commit;
end//

create procedure discharge_patient(in p_encounter bigint unsigned, in p_user bigint unsigned)
begin
  update encounters set ended_at = now(6) where id = p_encounter;
  insert into documents (id, document_ref, patient_id, encounter_id, kind, title_ar, created_by)
    select uuid(), uuid(), patient_id, id, 'discharge', 'ملخص الخروج', p_user from encounters where id = p_encounter;
  if exists (select 1 from invoices where encounter_id = p_encounter and balance > 0) then
    insert into notifications (notice_ref, template_id, patient_id) select uuid(), 1, patient_id from encounters where id = p_encounter;
  end if;
end//

create procedure bill_lab_order(in p_order bigint unsigned, in p_user bigint unsigned)
begin
  declare v_invoice bigint unsigned;
  insert into invoices (invoice_ref, patient_id, encounter_id, issued_by)
    select uuid(), o.patient_id, o.encounter_id, p_user from lab_orders o where o.id = p_order;
  set v_invoice = last_insert_id();
  insert into invoice_lines (invoice_id, line_ref, lab_order_id, quantity) values (v_invoice, uuid(), p_order, 1);
end//

create procedure dispense(in p_prescription bigint unsigned)
begin
  declare done int default 0;
  declare v_item bigint unsigned;
  declare v_dose decimal(9,3);
  declare lines_of cursor for
    select s.id, i.dose from prescription_items i join inventory_items s on s.drug_id = i.drug_id where i.prescription_id = p_prescription;
  declare continue handler for not found set done = 1;
  open lines_of;
  next_line: loop
    fetch lines_of into v_item, v_dose;
    if done then leave next_line; end if;
    insert into inventory_movements (movement_ref, item_id, quantity) values (uuid(), v_item, -ceil(v_dose));
  end loop;
  close lines_of;
end//

create procedure settle_invoice(in p_invoice bigint unsigned, in p_amount decimal(16,2))
begin
  insert into payments (transaction_ref, provider_id, invoice_id, amount) values (uuid(), 1, p_invoice, p_amount);
  update invoices set paid = paid + p_amount where id = p_invoice;
end//

create procedure book_follow_up(in p_encounter bigint unsigned, in p_days int)
begin
  insert into appointments (booking_ref, patient_id, type_id, starts_at)
    select uuid(), patient_id, 1, now() + interval p_days day from encounters where id = p_encounter;
end//

create procedure refresh_fhir_patient(in p_patient bigint unsigned)
begin
  replace into fhir_resources (resource_type, resource_id, resource_ref, patient_id, content)
    select 'Patient', p.uuid, p.uuid, p.id, json_object('id', p.uuid, 'name', p.full_name_ar) from patients p where p.id = p_patient;
end//

create procedure import_lab_message(in p_message bigint unsigned)
begin
  update lab_orders o join hl7_messages m on m.patient_id = o.patient_id set o.state = 'resulted' where m.id = p_message and m.kind = 'ORU';
end//

create procedure assign_reading(in p_reading bigint unsigned)
begin
  update device_readings r
    set r.encounter_id = (select e.id from encounters e where e.ended_at is null order by e.started_at desc limit 1)
    where r.id = p_reading;
end//

create function insured_share(p_patient bigint unsigned) returns float reads sql data
begin
  declare v_rate float default 0;
  select max(y.coverage_rate) into v_rate from insurance_policies y join patients p on p.id = y.patient_id
    where p.id = p_patient and p.is_deceased = 0 and (y.valid_to is null or y.valid_to >= curdate());
  return v_rate;
end//

create procedure deactivate_user(in p_user bigint unsigned)
begin
  update users set is_active = 0 where id = p_user;
  delete from sessions where user_id = p_user;
  update schedules set valid_year = year(curdate()) where staff_id in (select id from staff where user_id = p_user);
end//

create procedure search_everything(in p_word varchar(80))
begin
  -- the name of the table comes with the call: nobody can tell what this reads
  set @q = concat('select * from ', p_word);
  prepare s from @q;
  execute s;
  deallocate prepare s;
end//
