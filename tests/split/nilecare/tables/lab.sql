create table lab_tests (
  id int(10) unsigned not null auto_increment,
  code varchar(20) collate utf8mb4_general_ci not null,
  name varchar(120) not null,
  name_ar varchar(120) not null,
  unit varchar(20) default null,
  low double default null,
  high double default null,
  turnaround time default null,
  primary key (id),
  unique key lab_tests_code (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table lab_panels (
  id int(10) unsigned not null auto_increment,
  code varchar(20) collate utf8mb4_general_ci not null,
  name_ar varchar(120) not null,
  primary key (id),
  unique key lab_panels_code (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table lab_panel_items (
  panel_id int(10) unsigned not null,
  test_id int(10) unsigned not null,
  position tinyint(3) unsigned not null default 0,
  primary key (panel_id, test_id),
  constraint lab_panel_items_panel foreign key (panel_id) references lab_panels (id) on delete cascade,
  constraint lab_panel_items_test foreign key (test_id) references lab_tests (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table lab_orders (
  id bigint(20) unsigned not null auto_increment,
  order_ref varchar(64) character set ascii not null,
  patient_id bigint(20) unsigned not null,
  encounter_id bigint(20) unsigned default null,
  ordered_by bigint(20) unsigned not null,
  urgent tinyint(1) not null default 0,
  state enum('ordered','collected','resulted','verified','cancelled') not null default 'ordered',
  changes int(11) not null default 0,
  note varchar(200) default null,
  ordered_at datetime(6) not null default current_timestamp(6),
  primary key (id),
  unique key lab_orders_ref (order_ref),
  key lab_orders_patient (patient_id, ordered_at),
  constraint lab_orders_patient foreign key (patient_id) references patients (id),
  constraint lab_orders_encounter foreign key (encounter_id) references encounters (id),
  constraint lab_orders_ordered_by foreign key (ordered_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table lab_order_items (
  id bigint(20) unsigned not null auto_increment,
  order_id bigint(20) unsigned not null,
  item_ref varchar(64) character set ascii not null,
  test_id int(10) unsigned not null,
  repeats int(11) not null default 0,
  note varchar(200) default null,
  primary key (id),
  unique key lab_order_items_ref (item_ref),
  constraint lab_order_items_order foreign key (order_id) references lab_orders (id) on delete cascade,
  constraint lab_order_items_test foreign key (test_id) references lab_tests (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table lab_specimens (
  id bigint(20) unsigned not null auto_increment,
  order_id bigint(20) unsigned not null,
  barcode varchar(30) character set ascii collate ascii_bin not null,
  kind enum('blood','urine','swab','tissue','other') not null,
  volume_ml float default null,
  collected_by bigint(20) unsigned default null,
  collected_at datetime(3) default null,
  primary key (id),
  unique key lab_specimens_barcode (barcode),
  constraint lab_specimens_order foreign key (order_id) references lab_orders (id) on delete cascade,
  constraint lab_specimens_collected_by foreign key (collected_by) references users (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table lab_results (
  id bigint(20) unsigned not null auto_increment,
  item_id bigint(20) unsigned not null,
  device_id int(10) unsigned default null,
  value_number double default null,
  value_text varchar(255) default null,
  raw varbinary(400) default null,
  flags set('low','high','critical','delta') not null default '',
  verified_by bigint(20) unsigned default null,
  resulted_at datetime(6) not null,
  primary key (id),
  key lab_results_at (resulted_at),
  constraint lab_results_item foreign key (item_id) references lab_order_items (id) on delete cascade,
  constraint lab_results_device foreign key (device_id) references devices (id) on delete set null,
  constraint lab_results_verified_by foreign key (verified_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table analyser_log (
  analyser varchar(20) character set ascii collate ascii_bin not null,
  logged_at datetime(6) not null,
  seq int(10) unsigned not null,
  line text default null,
  key analyser_log_at (analyser, logged_at)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci comment='Older than the rule that every table has a key';
