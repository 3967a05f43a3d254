create table devices (
  id int(10) unsigned not null auto_increment,
  serial_no varchar(40) collate utf8mb4_general_ci not null,
  serial_hash bigint(20) unsigned not null comment 'uses all 64 bits',
  ward_id int(10) unsigned default null,
  kind enum('monitor','pump','ventilator','analyser','bed') not null,
  firmware varchar(20) default null,
  config json default null,
  bought_in year(4) default null,
  primary key (id),
  unique key devices_serial (serial_no),
  constraint devices_ward foreign key (ward_id) references wards (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table device_readings (
  id bigint(20) unsigned not null auto_increment,
  reading_ref varchar(64) character set ascii not null,
  device_id int(10) unsigned not null,
  encounter_id bigint(20) unsigned default null,
  metric enum('hr','spo2','rr','temp','bp') not null default 'hr',
  value float default null,
  samples int(11) not null default 1,
  note varchar(200) default null,
  waveform blob default null,
  read_at datetime(6) not null default current_timestamp(6),
  primary key (id),
  unique key device_readings_ref (reading_ref),
  key device_readings_device (device_id, read_at),
  constraint device_readings_device foreign key (device_id) references devices (id) on delete cascade,
  constraint device_readings_encounter foreign key (encounter_id) references encounters (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table device_alarms (
  id bigint(20) unsigned not null auto_increment,
  device_id int(10) unsigned not null,
  reading_id bigint(20) unsigned default null,
  level tinyint(3) unsigned not null,
  acknowledged_by bigint(20) unsigned default null,
  raised_at datetime(6) not null,
  lasted time(3) default null,
  primary key (id),
  constraint device_alarms_device foreign key (device_id) references devices (id) on delete cascade,
  constraint device_alarms_reading foreign key (reading_id) references device_readings (id) on delete set null,
  constraint device_alarms_acknowledged_by foreign key (acknowledged_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table device_calibrations (
  id bigint(20) unsigned not null auto_increment,
  device_id int(10) unsigned not null,
  deviation double not null,
  done_by bigint(20) unsigned default null,
  done_on date not null default '0000-00-00',
  primary key (id),
  constraint device_calibrations_device foreign key (device_id) references devices (id) on delete cascade,
  constraint device_calibrations_done_by foreign key (done_by) references staff (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
