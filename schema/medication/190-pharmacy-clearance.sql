-- What medication asks of a discharge, which belongs to clinical.

create trigger admissions_pharmacy_clearance before update of status, pharmacy_cleared_at on clinical.admissions
  for each row execute function medication.check_pharmacy_clearance();
create trigger admissions_end_orders after update of status on clinical.admissions
  for each row execute function medication.end_inpatient_orders();
