create table drugs (
  id int(10) unsigned not null auto_increment,
  code varchar(30) collate utf8mb4_general_ci not null,
  name varchar(160) not null,
  name_ar varchar(160) not null,
  form enum('tablet','capsule','syrup','injection','cream') not null,
  strength varchar(40) default null,
  controlled tinyint(1) not null default 0,
  properties json default null,
  primary key (id),
  unique key drugs_code (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table drug_interactions (
  drug_a int(10) unsigned not null,
  drug_b int(10) unsigned not null,
  severity enum('minor','major','contraindicated') not null,
  advice_ar text default null,
  primary key (drug_a, drug_b),
  constraint drug_interactions_a foreign key (drug_a) references drugs (id) on delete cascade,
  constraint drug_interactions_b foreign key (drug_b) references drugs (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table prescriptions (
  id bigint(20) unsigned not null auto_increment,
  prescription_ref varchar(64) character set ascii not null,
  patient_id bigint(20) unsigned not null,
  encounter_id bigint(20) unsigned default null,
  prescriber_id bigint(20) unsigned not null,
  refills int(11) not null default 0,
  note varchar(200) default null,
  signed_at datetime(6) default null,
  created_at timestamp(3) not null default current_timestamp(3),
  primary key (id),
  unique key prescriptions_ref (prescription_ref),
  constraint prescriptions_patient foreign key (patient_id) references patients (id),
  constraint prescriptions_encounter foreign key (encounter_id) references encounters (id) on delete set null,
  constraint prescriptions_prescriber foreign key (prescriber_id) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table prescription_items (
  prescription_id bigint(20) unsigned not null,
  line_no smallint(5) unsigned not null,
  drug_id int(10) unsigned not null,
  dose decimal(9,3) not null,
  dose_unit varchar(12) not null,
  times_a_day tinyint(3) unsigned not null,
  days smallint(6) not null,
  instructions_ar varchar(255) default null,
  primary key (prescription_id, line_no),
  constraint prescription_items_prescription foreign key (prescription_id) references prescriptions (id) on delete cascade,
  constraint prescription_items_drug foreign key (drug_id) references drugs (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table administrations (
  id bigint(20) unsigned not null auto_increment,
  prescription_id bigint(20) unsigned not null,
  line_no smallint(5) unsigned not null,
  given_by bigint(20) unsigned not null,
  given_at datetime(6) not null,
  refused bit(1) not null default b'0',
  primary key (id),
  constraint administrations_item foreign key (prescription_id, line_no) references prescription_items (prescription_id, line_no) on delete cascade,
  constraint administrations_given_by foreign key (given_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
