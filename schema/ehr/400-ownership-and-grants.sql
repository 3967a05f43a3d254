-- The module belongs to ehr_owner. Documents and signatures are written by operations only.

select core.hand_over('ehr', 'ehr');

grant execute on function
  ehr.add_document(jsonb),
  ehr.record_virus_scan(uuid, text),
  ehr.finalise_document(uuid),
  ehr.discard_document(uuid, text),
  ehr.mark_document_in_error(uuid, text),
  ehr.sign_document(uuid, bytea, text, text, bytea, text),
  ehr.sign_record(text, uuid, bytea, text, text, bytea, text),
  ehr.activate_template(uuid, date),
  ehr.withdraw_template(uuid, text)
to ehr_app;
