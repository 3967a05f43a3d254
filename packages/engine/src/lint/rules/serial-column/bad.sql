create table orders (
  id bigserial primary key, -- here
  note text
);
alter table orders add column number serial; -- here
