create table facilities (
  id int(10) unsigned not null auto_increment,
  code varchar(12) collate utf8mb4_general_ci not null,
  organization_id int(10) unsigned not null,
  name varchar(120) not null,
  name_ar varchar(120) not null,
  country_code char(2) character set ascii not null default 'SD',
  latitude double default null,
  longitude double default null,
  altitude_m float default null,
  opened_on date not null default '0000-00-00',
  opens_at time not null default '08:00:00',
  established year(4) default null,
  primary key (id),
  unique key facilities_code (code),
  constraint facilities_organization foreign key (organization_id) references organizations (id),
  constraint facilities_country foreign key (country_code) references countries (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table departments (
  id int(10) unsigned not null auto_increment,
  facility_id int(10) unsigned not null,
  parent_id int(10) unsigned default null,
  name varchar(120) not null,
  name_ar varchar(120) not null,
  kind enum('clinical','diagnostic','support','admin') not null,
  head_id bigint(20) unsigned default null,
  primary key (id),
  constraint departments_facility foreign key (facility_id) references facilities (id) on delete cascade,
  constraint departments_parent foreign key (parent_id) references departments (id) on delete set null,
  constraint departments_head foreign key (head_id) references users (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table wards (
  id int(10) unsigned not null auto_increment,
  department_id int(10) unsigned not null,
  name varchar(80) not null,
  sex enum('m','f','any') not null default 'any',
  floor_no tinyint(4) not null default 0,
  primary key (id),
  constraint wards_department foreign key (department_id) references departments (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table rooms (
  id int(10) unsigned not null auto_increment,
  ward_id int(10) unsigned not null,
  room_no varchar(10) not null,
  equipment set('oxygen','suction','monitor','ventilator') not null default '',
  area_m2 decimal(6,2) default null,
  primary key (id),
  constraint rooms_ward foreign key (ward_id) references wards (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table beds (
  id int(10) unsigned not null auto_increment,
  bed_ref varchar(64) character set ascii not null,
  room_id int(10) unsigned not null,
  state enum('free','occupied','cleaning','closed') not null default 'free',
  moves int(11) not null default 0,
  note varchar(200) default null,
  primary key (id),
  unique key beds_ref (bed_ref),
  constraint beds_room foreign key (room_id) references rooms (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
