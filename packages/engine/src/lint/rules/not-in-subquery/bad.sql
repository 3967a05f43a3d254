create table orders (id BIGINT primary key, customer_id BIGINT);
create table customers (id BIGINT primary key);
create view idle as
  select id from customers where id not in (select customer_id from orders); -- here
