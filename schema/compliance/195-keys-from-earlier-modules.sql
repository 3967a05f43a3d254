-- Keys, indexes and rules on tables of modules that are installed before this one.

alter table scheduling.telemedicine_sessions add constraint telemedicine_sessions_consent_fkey
  foreign key (tenant_id, consent_id) references compliance.consents (tenant_id, id);
alter table communication.contact_preferences add constraint contact_preferences_consent_fkey
  foreign key (tenant_id, consent_id) references compliance.consents (tenant_id, id);

create index telemedicine_sessions_consent_idx on scheduling.telemedicine_sessions (tenant_id, consent_id) where consent_id is not null;
create index contact_preferences_consent_idx on communication.contact_preferences (tenant_id, consent_id) where consent_id is not null;

-- that there is one, a constraint of the table says
create trigger contact_preferences_opt_in_rests_on_consent
  before insert or update of opted_in, consent_id, consent_expires_at, category, subject_type, subject_id
  on communication.contact_preferences
  for each row when (new.opted_in and new.category = 'promotional' and new.consent_id is not null)
  execute function compliance.check_opt_in();

create trigger patients_words_follow_merge after update of merged_into_id on patient.patients
  for each row when (new.merged_into_id is not null and old.merged_into_id is distinct from new.merged_into_id)
  execute function compliance.follow_merge();

create trigger encryption_keys_not_under_hold before update of status on core.encryption_keys
  for each row when (new.status = 'destroyed' and old.status <> 'destroyed' and new.subject_type = 'patient')
  execute function compliance.check_key_not_held();

-- Indexes that erasure needs on tables of others: the keys of a person, and who has been here longest.
create index encryption_keys_subject_idx on core.encryption_keys (tenant_id, subject_type, subject_id)
  where subject_id is not null;
create index patients_registered_idx on patient.patients (tenant_id, created_at) where deleted_at is null;
