create table fhir_resources (
  resource_type varchar(40) character set ascii collate ascii_bin not null,
  resource_id char(36) character set ascii not null,
  version_id int(10) unsigned not null default 1,
  resource_ref varchar(64) character set ascii not null,
  patient_id bigint(20) unsigned default null,
  content json not null,
  edits int(11) not null default 0,
  note varchar(200) default null,
  last_updated timestamp(3) not null default current_timestamp(3),
  primary key (resource_type, resource_id),
  unique key fhir_resources_ref (resource_ref),
  constraint fhir_resources_patient foreign key (patient_id) references patients (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table fhir_history (
  id bigint(20) unsigned not null auto_increment,
  resource_type varchar(40) character set ascii collate ascii_bin not null,
  resource_id char(36) character set ascii not null,
  content json not null,
  changed_at datetime(6) not null,
  primary key (id),
  constraint fhir_history_resource foreign key (resource_type, resource_id) references fhir_resources (resource_type, resource_id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table fhir_subscriptions (
  id char(36) character set ascii not null,
  criteria varchar(255) not null,
  endpoint varchar(255) not null,
  owner_id bigint(20) unsigned not null,
  status enum('requested','active','off') not null default 'requested',
  primary key (id),
  constraint fhir_subscriptions_owner foreign key (owner_id) references users (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
