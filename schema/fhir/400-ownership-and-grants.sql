-- fhir_owner owns the module.

select core.hand_over('fhir', 'fhir');
