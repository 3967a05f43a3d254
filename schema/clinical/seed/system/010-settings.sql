-- Defaults of clinical work.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (
    null, 'clinical.paediatric_below_years', '18', 'int',
    'A ward for children takes patients younger than this.'
  ),
  (
    null, 'clinical.scored_instruments', '["morse", "braden", "gcs", "news2", "phq9", "gad7"]', 'json',
    'Instruments that cannot be completed without a score.'
  ),
  (
    null, 'clinical.discharge_forms',
    '{"death": "death_note", "lama": "lama_form", "dama": "dama_form", "absconded": "absconding_note"}', 'json',
    'Kind of discharge to the type of note that stands for the discharge summary when it is signed.'
  ),
  (
    null, 'clinical.record_complete_hours', '72', 'int',
    'Hours after the patient has left in which the record of the stay is completed.'
  )
on conflict (tenant_id, key) do nothing;
