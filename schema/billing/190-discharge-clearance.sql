-- A patient is cleared by billing before the discharge goes on.

create trigger admissions_cleared_by_billing before update of status on clinical.admissions
  for each row when (new.status in ('billing_cleared', 'discharged'))
  execute function billing.check_discharge_clearance();
