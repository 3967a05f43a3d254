create role reporting login bypassrls; -- here
create role deploy superuser; -- here
create role app login;
alter role app bypassrls; -- here
