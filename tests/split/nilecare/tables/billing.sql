create table service_prices (
  id int(10) unsigned not null auto_increment,
  code varchar(30) collate utf8mb4_general_ci not null,
  facility_id int(10) unsigned default null,
  title_ar varchar(160) not null,
  price decimal(14,2) not null,
  currency_code char(3) character set ascii not null default 'SDG',
  valid_from date not null,
  primary key (id),
  unique key service_prices_code (code, valid_from),
  constraint service_prices_facility foreign key (facility_id) references facilities (id),
  constraint service_prices_currency foreign key (currency_code) references currencies (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table insurers (
  id int(10) unsigned not null auto_increment,
  name varchar(160) not null,
  name_ar varchar(160) not null,
  terms_days smallint(6) not null default 30,
  primary key (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table insurance_policies (
  id bigint(20) unsigned not null auto_increment,
  insurer_id int(10) unsigned not null,
  patient_id bigint(20) unsigned not null,
  policy_no varchar(40) not null,
  coverage_rate float not null,
  valid_to date default null,
  primary key (id),
  constraint insurance_policies_insurer foreign key (insurer_id) references insurers (id),
  constraint insurance_policies_patient foreign key (patient_id) references patients (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table invoices (
  id bigint(20) unsigned not null auto_increment,
  invoice_ref varchar(64) character set ascii not null,
  patient_id bigint(20) unsigned not null,
  encounter_id bigint(20) unsigned default null,
  policy_id bigint(20) unsigned default null,
  currency_code char(3) character set ascii not null default 'SDG',
  total decimal(16,2) not null default 0.00,
  paid decimal(16,2) not null default 0.00,
  balance decimal(16,2) generated always as (total - paid) virtual,
  revisions int(11) not null default 0,
  note varchar(200) default null,
  issued_by bigint(20) unsigned not null,
  issued_at datetime(6) not null default current_timestamp(6),
  primary key (id),
  unique key invoices_ref (invoice_ref),
  key invoices_patient (patient_id, issued_at),
  constraint invoices_patient foreign key (patient_id) references patients (id),
  constraint invoices_encounter foreign key (encounter_id) references encounters (id),
  constraint invoices_policy foreign key (policy_id) references insurance_policies (id) on delete set null,
  constraint invoices_currency foreign key (currency_code) references currencies (code),
  constraint invoices_issued_by foreign key (issued_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table invoice_lines (
  id bigint(20) unsigned not null auto_increment,
  invoice_id bigint(20) unsigned not null,
  line_ref varchar(64) character set ascii not null,
  price_id int(10) unsigned default null,
  lab_order_id bigint(20) unsigned default null,
  quantity int(11) not null default 1,
  unit_price decimal(14,2) not null default 0.00,
  amount decimal(18,2) generated always as (quantity * unit_price) stored,
  note varchar(200) default null,
  primary key (id),
  unique key invoice_lines_ref (line_ref),
  constraint invoice_lines_invoice foreign key (invoice_id) references invoices (id) on delete cascade,
  constraint invoice_lines_price foreign key (price_id) references service_prices (id),
  constraint invoice_lines_lab_order foreign key (lab_order_id) references lab_orders (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table claims (
  id bigint(20) unsigned not null auto_increment,
  invoice_id bigint(20) unsigned not null,
  policy_id bigint(20) unsigned not null,
  state enum('draft','sent','accepted','rejected','settled') not null default 'draft',
  reply json default null,
  submitted_on date not null default '0000-00-00',
  primary key (id),
  constraint claims_invoice foreign key (invoice_id) references invoices (id) on delete cascade,
  constraint claims_policy foreign key (policy_id) references insurance_policies (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
