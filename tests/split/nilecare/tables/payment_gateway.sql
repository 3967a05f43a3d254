create table payment_providers (
  id smallint(5) unsigned not null auto_increment,
  code varchar(20) collate utf8mb4_general_ci not null,
  title_ar varchar(80) not null,
  public_key varbinary(64) default null,
  enabled tinyint(1) not null default 1,
  primary key (id),
  unique key payment_providers_code (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table payments (
  id bigint(20) unsigned not null auto_increment,
  transaction_ref varchar(64) character set ascii not null,
  provider_id smallint(5) unsigned not null,
  invoice_id bigint(20) unsigned default null,
  amount decimal(16,2) not null default 0.00,
  currency_code char(3) character set ascii not null default 'SDG',
  attempts int(11) not null default 1,
  note varchar(200) default null,
  paid_at datetime(6) not null default current_timestamp(6),
  primary key (id),
  unique key payments_ref (transaction_ref),
  constraint payments_provider foreign key (provider_id) references payment_providers (id),
  constraint payments_invoice foreign key (invoice_id) references invoices (id),
  constraint payments_currency foreign key (currency_code) references currencies (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table refunds (
  id bigint(20) unsigned not null auto_increment,
  payment_id bigint(20) unsigned not null,
  amount decimal(16,2) not null,
  approved_by bigint(20) unsigned not null,
  reason_ar varchar(255) default null,
  refunded_at datetime(3) not null,
  primary key (id),
  constraint refunds_payment foreign key (payment_id) references payments (id) on delete cascade,
  constraint refunds_approved_by foreign key (approved_by) references users (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table payment_webhooks (
  id char(36) character set ascii not null,
  provider_id smallint(5) unsigned not null,
  payload json not null,
  signature varbinary(128) not null,
  received_at datetime(6) not null,
  primary key (id),
  constraint payment_webhooks_provider foreign key (provider_id) references payment_providers (id)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
