create table orders (
  id bigint primary key,
  note varchar(255) -- here
);
