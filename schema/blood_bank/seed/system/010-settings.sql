-- Defaults of the blood bank. A tenant's own row may hold only the keys that differ.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (
    null, 'bloodbank.donor', blood_bank.default_settings() -> 'bloodbank.donor', 'json',
    'Who may give blood: age, measurements, volumes, intervals and deferrals in days.'
  ),
  (
    null, 'bloodbank.components', blood_bank.default_settings() -> 'bloodbank.components', 'json',
    'Shelf life in days after the collection and storage in degrees Celsius, by component.'
  ),
  (
    null, 'bloodbank.rules', blood_bank.default_settings() -> 'bloodbank.rules', 'json',
    'Hours that a crossmatch and a reservation hold, minutes that a unit may be out, hours of a transfusion.'
  )
on conflict (tenant_id, key) do nothing;
