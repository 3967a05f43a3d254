-- applied file: 001_base.sql
create type state as enum ('open', 'closed');
-- file: 002_rename.sql
alter type state rename value 'closed' to 'done'; -- here
alter type state rename to order_state; -- here
