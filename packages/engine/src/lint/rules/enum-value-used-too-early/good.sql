-- file: 001_state.sql
create type state as enum ('open', 'closed');
alter type state add value 'held';
create table orders (id bigint primary key, state state not null default 'held');
-- file: 002_state.sql
alter type state add value 'cancelled';
-- file: 003_state.sql
alter type state add value 'lost';
commit;
update orders set state = 'lost' where id = 2;
-- file: 004_state.sql
update orders set state = 'cancelled' where id = 1;
