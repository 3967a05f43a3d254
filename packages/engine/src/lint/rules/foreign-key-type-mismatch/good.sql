-- file: 001_customers.sql
create table customers (id uuid primary key, code varchar(20) unique);
-- file: 002_orders.sql
create table orders (
  id bigint primary key,
  customer_id uuid references customers,
  code text references customers (code)
);
-- file: 003_domains.sql
create domain customer_code as varchar(20);
create domain short_code as customer_code check (length(value) < 10);
create table codes (code short_code references customers (code));
-- file: 004_made_by_query.sql
create table visitors as select customer_id from orders union all select id from customers;
alter table visitors add foreign key (customer_id) references customers;
