-- Keys from modules that are installed before this one.

alter table workforce.staff_credentials add constraint staff_credentials_document_fkey
  foreign key (tenant_id, document_id) references ehr.documents (tenant_id, id);
alter table patient.patient_contacts add constraint patient_contacts_guardian_proof_document_fkey
  foreign key (tenant_id, guardian_proof_document_id) references ehr.documents (tenant_id, id);
alter table scheduling.telemedicine_sessions add constraint telemedicine_sessions_recording_document_fkey
  foreign key (tenant_id, recording_document_id) references ehr.documents (tenant_id, id);
alter table communication.whatsapp_messages add constraint whatsapp_messages_media_document_fkey
  foreign key (tenant_id, media_document_id) references ehr.documents (tenant_id, id);

create index staff_credentials_document_idx on workforce.staff_credentials (tenant_id, document_id) where document_id is not null;
create index patient_contacts_guardian_proof_document_idx on patient.patient_contacts (tenant_id, guardian_proof_document_id) where guardian_proof_document_id is not null;
create index telemedicine_sessions_recording_document_idx on scheduling.telemedicine_sessions (tenant_id, recording_document_id) where recording_document_id is not null;
create index whatsapp_messages_media_document_idx on communication.whatsapp_messages (tenant_id, media_document_id) where media_document_id is not null;
