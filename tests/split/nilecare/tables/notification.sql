create table notification_templates (
  id int(10) unsigned not null auto_increment,
  code varchar(40) collate utf8mb4_general_ci not null,
  body_ar text not null,
  body_en tinytext default null,
  channels set('sms','email','push') not null default 'sms',
  primary key (id),
  unique key notification_templates_code (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table notification_preferences (
  user_id bigint(20) unsigned not null,
  channel enum('sms','email','push') not null,
  enabled tinyint(1) not null default 1,
  quiet_from time default null,
  quiet_to time default null,
  primary key (user_id, channel),
  constraint notification_preferences_user foreign key (user_id) references users (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table notifications (
  id bigint(20) unsigned not null auto_increment,
  notice_ref varchar(64) character set ascii not null,
  template_id int(10) unsigned not null,
  user_id bigint(20) unsigned default null,
  patient_id bigint(20) unsigned default null,
  tries int(11) not null default 0,
  note varchar(200) default null,
  sent_at timestamp(3) null default null,
  primary key (id),
  unique key notifications_ref (notice_ref),
  constraint notifications_template foreign key (template_id) references notification_templates (id),
  constraint notifications_user foreign key (user_id) references users (id) on delete cascade,
  constraint notifications_patient foreign key (patient_id) references patients (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table delivery_reports (
  id bigint(20) unsigned not null auto_increment,
  notification_id bigint(20) unsigned not null,
  provider varchar(30) not null,
  status_code smallint(6) not null,
  cost decimal(8,5) default null,
  reported_at datetime(6) not null,
  primary key (id),
  constraint delivery_reports_notification foreign key (notification_id) references notifications (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
