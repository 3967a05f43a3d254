create table documents (
  id char(36) character set ascii not null,
  document_ref varchar(64) character set ascii not null,
  patient_id bigint(20) unsigned not null,
  encounter_id bigint(20) unsigned default null,
  kind enum('discharge','referral','operation','scan','letter') not null default 'letter',
  title_ar varchar(200) not null,
  edits int(11) not null default 0,
  note varchar(200) default null,
  created_by bigint(20) unsigned not null,
  created_at datetime(6) not null default current_timestamp(6),
  primary key (id),
  unique key documents_ref (document_ref),
  key documents_patient (patient_id),
  constraint documents_patient foreign key (patient_id) references patients (id),
  constraint documents_encounter foreign key (encounter_id) references encounters (id),
  constraint documents_created_by foreign key (created_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table document_versions (
  document_id char(36) character set ascii not null,
  version_no int(10) unsigned not null,
  body longtext not null,
  checksum binary(16) not null,
  attachment mediumblob default null,
  saved_at timestamp(3) not null default current_timestamp(3),
  primary key (document_id, version_no),
  constraint document_versions_document foreign key (document_id) references documents (id) on delete cascade on update cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table clinical_notes (
  id bigint(20) unsigned not null auto_increment,
  encounter_id bigint(20) unsigned not null,
  author_id bigint(20) unsigned not null,
  body_ar mediumtext not null,
  signed tinyint(1) not null default 0,
  written_at datetime(6) not null,
  primary key (id),
  constraint clinical_notes_encounter foreign key (encounter_id) references encounters (id) on delete cascade,
  constraint clinical_notes_author foreign key (author_id) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table consents (
  id bigint(20) unsigned not null auto_increment,
  patient_id bigint(20) unsigned not null,
  purpose varchar(80) not null,
  given tinyint(1) not null,
  signature blob default null,
  given_at datetime not null default '0000-00-00 00:00:00',
  primary key (id),
  constraint consents_patient foreign key (patient_id) references patients (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
