-- applied file: 001_base.sql
create table orders (id bigint primary key, code varchar(10), note text);
create view order_codes as select o.id, o.code from orders as o;
create function note_change() returns trigger language plpgsql as 'begin return new; end';
create table patients (
  id bigint primary key, tenant_id text, name varchar(40), state varchar(10), mrn varchar(10), remark varchar(10),
  label varchar(50) generated always as (name || '!') stored
);
create policy own on patients using (tenant_id = current_setting('app.t'));
create trigger on_mrn after update of mrn on patients for each row execute function note_change();
create trigger on_state after update on patients for each row when (new.state <> old.state) execute function note_change();
create table visits (id bigint primary key, patient_id bigint, remark varchar(10));
create policy own on visits using (exists (select from patients as p where p.id = patient_id and p.remark is null));
-- file: 002_types.sql
alter table orders alter column code type varchar(20); -- here
alter table orders alter column code type varchar(10); -- here
alter table patients alter column tenant_id type varchar(40); -- here
alter table patients alter column name type varchar(80); -- here
alter table patients alter column mrn type varchar(20); -- here
alter table patients alter column state type varchar(20); -- here
alter table patients alter column remark type varchar(20); -- here
