create table cds_rules (
  id int(10) unsigned not null auto_increment,
  code varchar(40) collate utf8mb4_general_ci not null,
  title_ar varchar(160) not null,
  expression json not null,
  threshold double default null,
  drug_id int(10) unsigned default null,
  enabled tinyint(1) not null default 1,
  primary key (id),
  unique key cds_rules_code (code),
  constraint cds_rules_drug foreign key (drug_id) references drugs (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table cds_alerts (
  id bigint(20) unsigned not null auto_increment,
  alert_ref varchar(64) character set ascii not null,
  rule_id int(10) unsigned not null,
  patient_id bigint(20) unsigned not null,
  prescription_id bigint(20) unsigned default null,
  shown int(11) not null default 0,
  note varchar(200) default null,
  raised_at datetime(6) not null default current_timestamp(6),
  primary key (id),
  unique key cds_alerts_ref (alert_ref),
  constraint cds_alerts_rule foreign key (rule_id) references cds_rules (id),
  constraint cds_alerts_patient foreign key (patient_id) references patients (id) on delete cascade,
  constraint cds_alerts_prescription foreign key (prescription_id) references prescriptions (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table cds_overrides (
  alert_id bigint(20) unsigned not null,
  overridden_by bigint(20) unsigned not null,
  reason_ar varchar(255) not null,
  overridden_at datetime(3) not null,
  primary key (alert_id),
  constraint cds_overrides_alert foreign key (alert_id) references cds_alerts (id) on delete cascade,
  constraint cds_overrides_by foreign key (overridden_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
