-- applied file: 001_base.sql
create function total(order_id bigint) returns numeric language sql as 'select 1.0';
create function state(order_id bigint) returns text language sql as $$ select 'open' $$;
create procedure close(order_id bigint) language sql as 'select 1';
-- file: 002_functions.sql
drop function total(bigint); -- here
create function total(order_id bigint, currency text) returns numeric language sql as 'select 1.0';
drop function if exists state(bigint); -- here
drop procedure close; -- here
