-- applied file: 001_base.sql
create table orders (id bigint primary key);
-- file: 002_details.sql
alter table orders add column details json; -- here
alter table orders add column total numeric, add column parts json[]; -- here
