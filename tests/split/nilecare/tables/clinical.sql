create table patients (
  id bigint(20) unsigned not null auto_increment,
  uuid char(36) character set ascii not null,
  mrn varchar(24) collate utf8mb4_general_ci not null,
  given_name_ar varchar(80) not null,
  family_name_ar varchar(80) not null,
  full_name_ar varchar(161) generated always as (concat(given_name_ar, ' ', family_name_ar)) stored,
  sex enum('m','f','u') not null default 'u',
  born_on date default null,
  last_visit_on date not null default '0000-00-00',
  phone varchar(24) default null,
  is_deceased tinyint(1) not null default 0,
  photo mediumblob default null,
  registered_at_facility int(10) unsigned not null,
  created_by bigint(20) unsigned not null,
  created_at datetime(6) not null default current_timestamp(6),
  primary key (id),
  unique key patients_uuid (uuid),
  unique key patients_mrn (mrn),
  key patients_family (family_name_ar),
  constraint patients_facility foreign key (registered_at_facility) references facilities (id),
  constraint patients_created_by foreign key (created_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table patient_identifiers (
  patient_id bigint(20) unsigned not null,
  kind enum('national','passport','refugee','insurance') not null,
  value varchar(40) collate utf8mb4_general_ci not null,
  issued_in char(2) character set ascii default null,
  primary key (patient_id, kind),
  unique key patient_identifiers_value (value),
  constraint patient_identifiers_patient foreign key (patient_id) references patients (id) on delete cascade,
  constraint patient_identifiers_country foreign key (issued_in) references countries (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table patient_contacts (
  id bigint(20) unsigned not null auto_increment,
  patient_id bigint(20) unsigned not null,
  relation varchar(40) not null,
  name_ar varchar(160) not null,
  phone varchar(24) default null,
  primary key (id),
  constraint patient_contacts_patient foreign key (patient_id) references patients (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table allergies (
  id bigint(20) unsigned not null auto_increment,
  patient_id bigint(20) unsigned not null,
  drug_id int(10) unsigned default null,
  substance varchar(120) not null,
  severity enum('mild','moderate','severe') not null,
  recorded_by bigint(20) unsigned not null,
  recorded_at datetime(3) not null,
  primary key (id),
  constraint allergies_patient foreign key (patient_id) references patients (id) on delete cascade,
  constraint allergies_drug foreign key (drug_id) references drugs (id) on delete set null,
  constraint allergies_recorded_by foreign key (recorded_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table encounters (
  id bigint(20) unsigned not null auto_increment,
  visit_ref varchar(64) character set ascii not null,
  patient_id bigint(20) unsigned not null,
  ward_id int(10) unsigned default null,
  kind enum('outpatient','inpatient','emergency','virtual') not null default 'outpatient',
  changes int(11) not null default 0,
  note varchar(200) default null,
  attending_id bigint(20) unsigned default null,
  started_at datetime(6) not null default current_timestamp(6),
  ended_at datetime(6) default null,
  primary key (id),
  unique key encounters_ref (visit_ref),
  key encounters_patient (patient_id, started_at),
  constraint encounters_patient foreign key (patient_id) references patients (id),
  constraint encounters_ward foreign key (ward_id) references wards (id) on delete set null,
  constraint encounters_attending foreign key (attending_id) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table diagnoses (
  id bigint(20) unsigned not null auto_increment,
  encounter_id bigint(20) unsigned not null,
  icd_code varchar(10) collate utf8mb4_unicode_ci not null,
  is_primary tinyint(1) not null default 0,
  certainty decimal(4,3) default null,
  created_by bigint(20) unsigned not null,
  primary key (id),
  constraint diagnoses_encounter foreign key (encounter_id) references encounters (id) on delete cascade,
  constraint diagnoses_icd foreign key (icd_code) references icd_codes (code),
  constraint diagnoses_created_by foreign key (created_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table vital_signs (
  id bigint(20) unsigned not null auto_increment,
  encounter_id bigint(20) unsigned not null,
  taken_at datetime(6) not null,
  temperature_c float default null,
  pulse smallint(5) unsigned default null,
  systolic smallint(6) default null,
  diastolic smallint(6) default null,
  weight_kg decimal(6,3) default null,
  height_m double default null,
  bmi double generated always as (weight_kg / (height_m * height_m)) virtual,
  taken_by bigint(20) unsigned default null,
  primary key (id),
  constraint vital_signs_encounter foreign key (encounter_id) references encounters (id) on delete cascade,
  constraint vital_signs_taken_by foreign key (taken_by) references users (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table care_plans (
  id bigint(20) unsigned not null auto_increment,
  patient_id bigint(20) unsigned not null,
  encounter_id bigint(20) unsigned default null,
  goals json default null,
  summary_ar text default null,
  starts_on date not null,
  primary key (id),
  constraint care_plans_patient foreign key (patient_id) references patients (id) on delete cascade,
  constraint care_plans_encounter foreign key (encounter_id) references encounters (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table immunizations (
  id bigint(20) unsigned not null auto_increment,
  patient_id bigint(20) unsigned not null,
  vaccine varchar(60) not null,
  dose_no tinyint(3) unsigned not null,
  batch_id bigint(20) unsigned default null,
  given_on date not null default '0000-00-00',
  primary key (id),
  constraint immunizations_patient foreign key (patient_id) references patients (id) on delete cascade,
  constraint immunizations_batch foreign key (batch_id) references inventory_batches (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
