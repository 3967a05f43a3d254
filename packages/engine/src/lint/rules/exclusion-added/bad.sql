-- applied file: 001_base.sql
create table bookings (id bigint primary key, during tstzrange not null);
-- file: 002_no_overlap.sql
alter table bookings add constraint bookings_no_overlap exclude using gist (during with &&); -- here
