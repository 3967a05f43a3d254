create table people (id BIGINT primary key, name text);
create table countries (code text primary key);
insert into countries values ('IN'), ('NP');
insert into people select 1, code from countries;
comment on table people is 'class=pii;about=People.';
