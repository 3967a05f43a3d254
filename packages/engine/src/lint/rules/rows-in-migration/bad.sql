create table people (id BIGINT primary key, name text);
create table orders (tenant_id uuid not null, id BIGINT not null, primary key (tenant_id, id));
insert into people values (1, 'Ann'); -- here
insert into orders values ('00000000-0000-0000-0000-000000000001', 1); -- here
comment on table people is 'class=pii;about=People.';
