create table suppliers (
  id int(10) unsigned not null auto_increment,
  name varchar(160) not null,
  name_ar varchar(160) default null,
  country_code char(2) character set ascii not null,
  rating float default null,
  primary key (id),
  constraint suppliers_country foreign key (country_code) references countries (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table inventory_items (
  id bigint(20) unsigned not null auto_increment,
  sku varchar(30) collate utf8mb4_general_ci not null,
  drug_id int(10) unsigned default null,
  name_ar varchar(160) not null,
  unit varchar(12) not null,
  reorder_level int(10) unsigned not null default 0,
  primary key (id),
  unique key inventory_items_sku (sku),
  constraint inventory_items_drug foreign key (drug_id) references drugs (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table inventory_locations (
  id int(10) unsigned not null auto_increment,
  facility_id int(10) unsigned not null,
  department_id int(10) unsigned default null,
  name varchar(80) not null,
  cold tinyint(1) not null default 0,
  primary key (id),
  constraint inventory_locations_facility foreign key (facility_id) references facilities (id),
  constraint inventory_locations_department foreign key (department_id) references departments (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table inventory_batches (
  id bigint(20) unsigned not null auto_increment,
  item_id bigint(20) unsigned not null,
  supplier_id int(10) unsigned default null,
  batch_no varchar(40) not null,
  expires_on date not null default '0000-00-00',
  unit_cost decimal(14,4) not null,
  primary key (id),
  constraint inventory_batches_item foreign key (item_id) references inventory_items (id) on delete cascade,
  constraint inventory_batches_supplier foreign key (supplier_id) references suppliers (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table inventory_movements (
  id bigint(20) unsigned not null auto_increment,
  movement_ref varchar(64) character set ascii not null,
  item_id bigint(20) unsigned not null,
  batch_id bigint(20) unsigned default null,
  location_id int(10) unsigned default null,
  quantity int(11) not null default 0,
  note varchar(200) default null,
  moved_by bigint(20) unsigned default null,
  moved_at timestamp(6) not null default current_timestamp(6),
  primary key (id),
  unique key inventory_movements_ref (movement_ref),
  constraint inventory_movements_item foreign key (item_id) references inventory_items (id),
  constraint inventory_movements_batch foreign key (batch_id) references inventory_batches (id) on delete set null,
  constraint inventory_movements_location foreign key (location_id) references inventory_locations (id),
  constraint inventory_movements_moved_by foreign key (moved_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table purchase_orders (
  id bigint(20) unsigned not null auto_increment,
  supplier_id int(10) unsigned not null,
  ordered_by bigint(20) unsigned not null,
  currency_code char(3) character set ascii not null default 'SDG',
  total decimal(16,2) not null default 0.00,
  ordered_on date not null,
  primary key (id),
  constraint purchase_orders_supplier foreign key (supplier_id) references suppliers (id),
  constraint purchase_orders_ordered_by foreign key (ordered_by) references users (id),
  constraint purchase_orders_currency foreign key (currency_code) references currencies (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table purchase_order_lines (
  purchase_order_id bigint(20) unsigned not null,
  line_no smallint(5) unsigned not null,
  item_id bigint(20) unsigned not null,
  quantity decimal(12,3) not null,
  unit_price decimal(14,4) not null,
  amount decimal(20,4) generated always as (quantity * unit_price) stored,
  primary key (purchase_order_id, line_no),
  constraint purchase_order_lines_order foreign key (purchase_order_id) references purchase_orders (id) on delete cascade,
  constraint purchase_order_lines_item foreign key (item_id) references inventory_items (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
