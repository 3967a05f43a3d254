-- Which names hold which three letters, so that a part of a name is found without reading every patient. LIKE and trigram
-- operators are not leakproof: under row level security no index serves them, equality of numbers is always served. The
-- letters are hashed with the tenant, so the table tells nobody a name. A trigger on patient.patients keeps it; a row has
-- no life of its own and therefore no id.

create table patient.name_trigrams (
  tenant_id uuid not null,
  trigram bigint not null,
  patient_id uuid not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint name_trigrams_pkey primary key (tenant_id, trigram, patient_id)
);

alter table patient.name_trigrams add constraint name_trigrams_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table patient.name_trigrams add constraint name_trigrams_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);

create index name_trigrams_patient_idx on patient.name_trigrams (tenant_id, patient_id);

comment on table patient.name_trigrams is 'class=operational;scope=tenant;owner=clinical;fhir=none;retention=medical_record;about=Which patients have a name with these three letters.';
comment on column patient.name_trigrams.trigram is 'class=operational;about=Hash of the tenant and three letters of a name, patient.hashed_trigrams.';
comment on column patient.name_trigrams.patient_id is 'class=operational;about=The patient whose name holds them.';
select core.comment_standard_columns('patient.name_trigrams');

alter table patient.name_trigrams enable row level security, force row level security;
create policy tenant_isolation on patient.name_trigrams
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger patients_name_trigrams after insert or update of given_name, middle_name, family_name on patient.patients
  for each row execute function patient.keep_name_trigrams();
