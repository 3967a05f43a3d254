create table users (
  id bigint(20) unsigned not null auto_increment,
  uuid char(36) character set ascii not null,
  username varchar(80) collate utf8mb4_general_ci not null,
  email varchar(160) collate utf8mb4_unicode_ci not null,
  password_hash varbinary(72) not null,
  name_ar varchar(160) not null,
  phone varchar(24) default null,
  is_active tinyint(1) not null default 1,
  mfa_secret blob default null,
  locale enum('ar','en','fr') not null default 'ar',
  last_login_at datetime(6) default null,
  created_at timestamp(3) not null default current_timestamp(3),
  primary key (id),
  unique key users_uuid (uuid),
  unique key users_username (username),
  unique key users_email (email)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci comment='Everybody who can sign in';

create table roles (
  id int(10) unsigned not null auto_increment,
  code varchar(40) collate utf8mb4_general_ci not null,
  title_ar varchar(120) not null,
  scopes set('read','write','approve','export','admin') not null default 'read',
  primary key (id),
  unique key roles_code (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table permissions (
  id smallint(5) unsigned not null auto_increment,
  code varchar(80) character set ascii collate ascii_bin not null,
  description text default null,
  primary key (id),
  unique key permissions_code (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table role_permissions (
  role_id int(10) unsigned not null,
  permission_id smallint(5) unsigned not null,
  granted_at datetime not null,
  primary key (role_id, permission_id),
  constraint role_permissions_role foreign key (role_id) references roles (id) on delete cascade,
  constraint role_permissions_permission foreign key (permission_id) references permissions (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table user_roles (
  user_id bigint(20) unsigned not null,
  role_id int(10) unsigned not null,
  facility_id int(10) unsigned default null,
  valid_until date default null,
  primary key (user_id, role_id),
  constraint user_roles_user foreign key (user_id) references users (id) on delete cascade,
  constraint user_roles_role foreign key (role_id) references roles (id),
  constraint user_roles_facility foreign key (facility_id) references facilities (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table sessions (
  token_hash binary(32) not null,
  user_id bigint(20) unsigned not null,
  address inet6 default null,
  agent varchar(255) default null,
  opened_at datetime(6) not null,
  seen_at timestamp(6) null default null,
  primary key (token_hash),
  key sessions_user (user_id),
  constraint sessions_user foreign key (user_id) references users (id) on delete cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table api_keys (
  id char(36) character set ascii not null,
  user_id bigint(20) unsigned not null,
  label varchar(80) not null,
  flags bit(6) not null default b'000001',
  expires_on date default null,
  primary key (id),
  constraint api_keys_user foreign key (user_id) references users (id) on delete cascade on update cascade
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table login_attempts (
  id bigint(20) unsigned not null auto_increment,
  attempt_ref varchar(64) character set ascii not null,
  user_id bigint(20) unsigned default null,
  succeeded tinyint(1) not null default 1,
  tries int(11) not null default 1,
  note varchar(200) default null,
  attempted_at datetime(3) not null default current_timestamp(3),
  primary key (id),
  unique key login_attempts_ref (attempt_ref),
  key login_attempts_user (user_id, attempted_at),
  constraint login_attempts_user foreign key (user_id) references users (id) on delete set null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
