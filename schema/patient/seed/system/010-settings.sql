-- Defaults of registration; a tenant overrides them with rows of its own. Without mrn.format any MRN is accepted.

insert into core.system_settings (tenant_id, key, value, value_type, description) values
  (null, 'mrn.series', '"tenant"', 'string', 'Which series MRNs come from: tenant (one for all) or clinic (one a code).'),
  (null, 'patient.match_threshold', '0.70', 'json', 'Score, 0 to 1, from which a registration is a likely duplicate.')
on conflict (tenant_id, key) do nothing;
