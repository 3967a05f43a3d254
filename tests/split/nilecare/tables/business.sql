create table organizations (
  id int(10) unsigned not null auto_increment,
  name varchar(160) not null,
  name_ar varchar(160) not null,
  tax_number varchar(30) default null,
  settings json default null,
  logo mediumblob default null,
  primary key (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table staff (
  id bigint(20) unsigned not null auto_increment,
  user_id bigint(20) unsigned not null,
  department_id int(10) unsigned default null,
  staff_no varchar(20) collate utf8mb4_general_ci not null,
  profession enum('doctor','nurse','pharmacist','technician','clerk') not null,
  name_ar varchar(160) not null,
  hired_on date not null default '0000-00-00',
  salary decimal(12,2) default null,
  primary key (id),
  unique key staff_no (staff_no),
  unique key staff_user (user_id),
  constraint staff_user foreign key (user_id) references users (id),
  constraint staff_department foreign key (department_id) references departments (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table staff_credentials (
  id bigint(20) unsigned not null auto_increment,
  staff_id bigint(20) unsigned not null,
  licence_no varchar(40) not null,
  authority varchar(120) not null,
  scan longblob default null,
  issued_on date default null,
  expires_on date default null,
  primary key (id),
  constraint staff_credentials_staff foreign key (staff_id) references staff (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table staff_shifts (
  id bigint(20) unsigned not null auto_increment,
  shift_ref varchar(64) character set ascii not null,
  staff_id bigint(20) unsigned not null,
  ward_id int(10) unsigned default null,
  starts_at datetime not null default current_timestamp(),
  worked time default null,
  overtime time(3) not null default '00:00:00.000',
  swaps int(11) not null default 0,
  note varchar(200) default null,
  primary key (id),
  unique key staff_shifts_ref (shift_ref),
  constraint staff_shifts_staff foreign key (staff_id) references staff (id) on delete cascade,
  constraint staff_shifts_ward foreign key (ward_id) references wards (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci comment='worked and overtime are durations: below zero and above a day occur';

create table contracts (
  id bigint(20) unsigned not null auto_increment,
  organization_id int(10) unsigned not null,
  insurer_id int(10) unsigned default null,
  title varchar(160) not null,
  discount_rate float not null default 0,
  valid_from date not null,
  valid_to date default null,
  terms longtext default null,
  primary key (id),
  constraint contracts_organization foreign key (organization_id) references organizations (id),
  constraint contracts_insurer foreign key (insurer_id) references insurers (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table settings (
  scope varchar(40) collate utf8mb4_bin not null,
  name varchar(80) collate utf8mb4_bin not null,
  value json not null,
  changed_by bigint(20) unsigned default null,
  changed_at timestamp(3) not null default current_timestamp(3) on update current_timestamp(3),
  primary key (scope, name),
  constraint settings_changed_by foreign key (changed_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
