-- A patient does not leave while a unit for them is out.

create trigger admissions_no_unit_out before update of status on clinical.admissions
  for each row execute function blood_bank.check_no_unit_is_out();
