-- Defaults of ABDM; a tenant overrides them with rows of its own.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'abdm.address_suffixes', '["abdm", "sbx", "ndhm"]', 'json', 'What may follow the @ of an ABHA address.'),
  (null, 'abdm.identifier_system', '"https://healthid.abdm.gov.in"', 'string', 'System of ABHA numbers among a patient''s identifiers.'),
  (null, 'abdm.name_overlap', '0.6', 'json', 'Part of the shorter name, 0 to 1, whose sounds must occur in the other one.'),
  (null, 'abdm.estimated_birth_years', '5', 'int', 'Years that an estimated birth date may be off.'),
  (null, 'abdm.registration_minutes', '30', 'int', 'Minutes that an attempt to register an ABHA lives.'),
  (null, 'abdm.otp_minutes', '10', 'int', 'Minutes that the OTP of a link by the patient lives.'),
  (null, 'abdm.context_display', '"{type}, {date}"', 'string', 'What a patient reads of a care context: {type} and {date}, nothing of the record.'),
  (null, 'abdm.bundle_builders', '[]', 'json', 'HI types whose document bundle can be built from rows.')
on conflict (tenant_id, key) do nothing;
