-- applied file: 001_base.sql
create table bookings (id bigint primary key, during tstzrange not null);
-- file: 002_rooms.sql
create table stays (id bigint primary key, during tstzrange not null);
alter table stays add constraint stays_no_overlap exclude using gist (during with &&);
create table visits (during tstzrange, exclude using gist (during with &&));
