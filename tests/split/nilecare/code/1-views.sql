delimiter //

create view patient_summary as
select p.id, p.mrn, p.full_name_ar, count(e.id) as visits, max(e.started_at) as last_visit
from patients p left join encounters e on e.patient_id = p.id
group by p.id, p.mrn, p.full_name_ar//

create view free_beds as
select b.id, b.bed_ref, r.room_no, w.name as ward
from beds b join rooms r on r.id = b.room_id join wards w on w.id = r.ward_id
where b.state = 'free'//

create view open_invoices as
select id, invoice_ref, patient_id, balance from invoices where balance > 0//

create view lab_worklist as
select o.id, o.order_ref, p.mrn, p.full_name_ar, t.name_ar as test, u.username as ordered_by
from lab_orders o
join lab_order_items i on i.order_id = o.id
join lab_tests t on t.id = i.test_id
join patients p on p.id = o.patient_id
join users u on u.id = o.ordered_by
where o.state = 'ordered'//

create view critical_results as
select r.id, o.order_ref, e.ward_id, w.name as ward, r.value_number
from lab_results r
join lab_order_items i on i.id = r.item_id
join lab_orders o on o.id = i.order_id
left join encounters e on e.id = o.encounter_id
left join wards w on w.id = e.ward_id
where find_in_set('critical', r.flags) > 0//

create view patient_bill as
select i.invoice_ref, p.mrn, p.full_name_ar, i.total, coalesce(sum(pay.amount), 0) as received
from invoices i
join patients p on p.id = i.patient_id
left join payments pay on pay.invoice_id = i.id
group by i.id, i.invoice_ref, p.mrn, p.full_name_ar, i.total//

create view unbilled_lab_orders as
select o.id, o.order_ref, o.patient_id
from lab_orders o
where not exists (select 1 from invoice_lines l where l.lab_order_id = o.id)//

create view daily_revenue as
select date(pay.paid_at) as day, f.name_ar as facility, sum(pay.amount) as amount
from payments pay
join invoices i on i.id = pay.invoice_id
join encounters e on e.id = i.encounter_id
join wards w on w.id = e.ward_id
join departments d on d.id = w.department_id
join facilities f on f.id = d.facility_id
group by date(pay.paid_at), f.name_ar//

create view doctor_calendar as
select a.booking_ref, s.name_ar as doctor, a.starts_at, p.full_name_ar as patient
from appointments a
join schedules c on c.id = a.schedule_id
join staff s on s.id = c.staff_id
join patients p on p.id = a.patient_id//

create view prescription_sheet as
select x.prescription_ref, p.mrn, d.name_ar as drug, i.dose, i.dose_unit
from prescriptions x
join prescription_items i on i.prescription_id = x.id
join drugs d on d.id = i.drug_id
join patients p on p.id = x.patient_id//

create view stock_of_drugs as
select i.sku, d.name, d.name_ar, sum(m.quantity) as on_hand
from inventory_items i
join drugs d on d.id = i.drug_id
left join inventory_movements m on m.item_id = i.id
group by i.id, i.sku, d.name, d.name_ar//

create view allergy_conflicts as
select x.id as prescription_id, a.patient_id, a.severity, i.drug_id
from prescriptions x
join prescription_items i on i.prescription_id = x.id
join allergies a on a.patient_id = x.patient_id and a.drug_id = i.drug_id//

create view alert_burden as
with shown as (select a.rule_id, a.patient_id, count(*) as alerts from cds_alerts a group by a.rule_id, a.patient_id)
select r.code, s.alerts, p.mrn
from shown s join cds_rules r on r.id = s.rule_id join patients p on p.id = s.patient_id//

create view bed_board as
select f.bed_ref, f.ward, v.monitors
from free_beds f
left join (select w.name, count(*) as monitors from devices d join wards w on w.id = d.ward_id where d.kind = 'monitor' group by w.name) v
  on v.name = f.ward//

create view document_index as
select d.document_ref, d.title_ar, p.mrn, u.name_ar as author
from documents d, patients p, users u
where p.id = d.patient_id and u.id = d.created_by//

create view diagnosis_statistics as
select d.icd_code, c.title_ar, count(*) as cases
from diagnoses d join icd_codes c on c.code = d.icd_code
group by d.icd_code, c.title_ar//

create view device_alarm_board as
select a.id, dv.serial_no, w.name as ward, u.username as acknowledged_by
from device_alarms a
join devices dv on dv.id = a.device_id
left join wards w on w.id = dv.ward_id
left join users u on u.id = a.acknowledged_by//

create view insurer_exposure as
select n.name_ar, c.title, sum(i.balance) as open_amount
from insurers n
join contracts c on c.insurer_id = n.id
join insurance_policies y on y.insurer_id = n.id
join invoices i on i.policy_id = y.id
group by n.id, n.name_ar, c.title//

create view reachable_users as
select u.id, u.username, u.phone, n.channel
from users u join notification_preferences n on n.user_id = u.id
where n.enabled = 1 and u.is_active = 1//

create view all_references as
select 'order' as kind, order_ref as ref from lab_orders
union all
select 'invoice', invoice_ref from invoices
union all
select 'visit', visit_ref from encounters//
