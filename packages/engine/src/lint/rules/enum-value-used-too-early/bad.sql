-- file: 001_state.sql
create type state as enum ('open', 'closed');
create table orders (id bigint primary key, state state not null);
-- file: 002_state.sql
alter type state add value 'cancelled';
update orders set state = 'cancelled' where id = 1; -- here
