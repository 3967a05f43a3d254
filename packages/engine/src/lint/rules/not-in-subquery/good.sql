create table orders (id BIGINT primary key, customer_id BIGINT not null);
create table customers (id BIGINT primary key);
create view idle as
  select id from customers where id not in (select customer_id from orders);
create view others as
  select id from customers c where not exists (select from orders o where o.customer_id = c.id) and id not in (1, 2);
