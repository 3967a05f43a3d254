create table countries (
  code char(2) character set ascii not null,
  name varchar(80) not null,
  name_ar varchar(80) not null,
  primary key (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table currencies (
  code char(3) character set ascii not null,
  name_ar varchar(40) not null,
  decimals tinyint(3) unsigned not null default 2,
  primary key (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;

create table icd_codes (
  code varchar(10) collate utf8mb4_unicode_ci not null,
  title varchar(255) not null,
  title_ar varchar(255) default null,
  billable tinyint(1) not null default 1,
  primary key (code)
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci;
