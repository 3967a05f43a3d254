create table appointment_types (
  id int(10) unsigned not null auto_increment,
  code varchar(30) collate utf8mb4_general_ci not null,
  title_ar varchar(120) not null,
  minutes smallint(5) unsigned zerofill not null default 00015,
  color char(7) default null,
  primary key (id),
  unique key appointment_types_code (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table schedules (
  id bigint(20) unsigned not null auto_increment,
  staff_id bigint(20) unsigned not null,
  facility_id int(10) unsigned not null,
  weekdays set('sun','mon','tue','wed','thu','fri','sat') not null,
  opens_at time not null,
  closes_at time not null,
  valid_year year(4) not null,
  primary key (id),
  constraint schedules_staff foreign key (staff_id) references staff (id) on delete cascade,
  constraint schedules_facility foreign key (facility_id) references facilities (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table schedule_slots (
  schedule_id bigint(20) unsigned not null,
  slot_no int(10) unsigned not null,
  starts_at datetime not null,
  is_open tinyint(1) not null default 1,
  primary key (schedule_id, slot_no),
  constraint schedule_slots_schedule foreign key (schedule_id) references schedules (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table appointments (
  id bigint(20) unsigned not null auto_increment,
  booking_ref varchar(64) character set ascii not null,
  patient_id bigint(20) unsigned not null,
  type_id int(10) unsigned not null,
  schedule_id bigint(20) unsigned default null,
  slot_no int(10) unsigned default null,
  priority tinyint(1) not null default 0 comment '0 to 5, in spite of its width',
  state enum('booked','arrived','seen','missed','cancelled') not null default 'booked',
  changes int(11) not null default 0,
  note varchar(200) default null,
  booked_by bigint(20) unsigned default null,
  starts_at datetime not null default current_timestamp(),
  primary key (id),
  unique key appointments_ref (booking_ref),
  key appointments_patient (patient_id, starts_at),
  constraint appointments_patient foreign key (patient_id) references patients (id),
  constraint appointments_type foreign key (type_id) references appointment_types (id),
  constraint appointments_slot foreign key (schedule_id, slot_no) references schedule_slots (schedule_id, slot_no),
  constraint appointments_booked_by foreign key (booked_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table waiting_list (
  id bigint(20) unsigned not null auto_increment,
  patient_id bigint(20) unsigned not null,
  type_id int(10) unsigned not null,
  wanted_from date not null,
  urgency decimal(3,1) not null default 0.0,
  primary key (id),
  constraint waiting_list_patient foreign key (patient_id) references patients (id) on delete cascade,
  constraint waiting_list_type foreign key (type_id) references appointment_types (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
