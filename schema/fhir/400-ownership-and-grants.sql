-- fhir_owner owns the module. Tenants call operations; concept maps they write themselves.

select core.hand_over('fhir', 'fhir');

select core.ensure_hash_partitions('fhir.resource_versions', 16);

grant execute on function
  fhir.save_value_set(text, text, text, jsonb, text[]),
  fhir.activate_value_set(uuid),
  fhir.value_set_contains(text, text, text),
  fhir.search_concepts(text, text, integer, text),
  fhir.translate_code(text, text, text, date),
  fhir.store_version(text, uuid, bytea, bytea, text, uuid, uuid, jsonb),
  fhir.resource_history(text, uuid, integer)
to fhir_app;

grant select on fhir.current_resources to fhir_app, fhir_ro;

-- the terminology is the same for all tenants, so the platform loads it
grant usage on schema fhir to imhotep_platform;
grant execute on function
  fhir.load_code_system(text, text, text, text, boolean), fhir.load_concepts(uuid, jsonb)
to imhotep_platform;
