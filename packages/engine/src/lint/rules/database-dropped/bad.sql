-- file: 001_drop.sql
drop database old_orders; -- here
-- file: 002_drop.sql
drop database if exists scratch with (force); -- here
