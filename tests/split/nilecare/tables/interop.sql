create table hl7_endpoints (
  id int(10) unsigned not null auto_increment,
  facility_id int(10) unsigned not null,
  name varchar(80) not null,
  port mediumint(8) unsigned not null,
  kinds set('ADT','ORM','ORU','SIU') not null default 'ADT',
  primary key (id),
  constraint hl7_endpoints_facility foreign key (facility_id) references facilities (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table hl7_messages (
  id bigint(20) unsigned not null auto_increment,
  control_ref varchar(64) character set ascii not null,
  endpoint_id int(10) unsigned not null,
  patient_id bigint(20) unsigned default null,
  kind enum('ADT','ORM','ORU','SIU') not null default 'ADT',
  body blob default null,
  retries int(11) not null default 0,
  note varchar(200) default null,
  received_at datetime(6) not null default current_timestamp(6),
  primary key (id),
  unique key hl7_messages_ref (control_ref),
  constraint hl7_messages_endpoint foreign key (endpoint_id) references hl7_endpoints (id),
  constraint hl7_messages_patient foreign key (patient_id) references patients (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table hl7_acks (
  message_id bigint(20) unsigned not null,
  code enum('AA','AE','AR') not null,
  text varchar(200) default null,
  acked_at datetime(3) not null,
  primary key (message_id),
  constraint hl7_acks_message foreign key (message_id) references hl7_messages (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
