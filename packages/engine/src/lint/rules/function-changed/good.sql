-- applied file: 001_base.sql
create function total(order_id bigint) returns numeric language sql as 'select 1.0';
create function state(order_id bigint) returns text language sql as $$ select 'open' $$;
-- file: 002_functions.sql
drop function total(bigint);
create function total(id bigint, currency text default 'INR') returns numeric language sql as 'select 1.0';
create or replace function state(order_id bigint) returns text language sql as $$ select 'closed' $$;
create function helper() returns int language sql as 'select 1';
drop function helper();
drop function if exists never_there(int);
