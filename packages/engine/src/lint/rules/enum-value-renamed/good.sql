-- applied file: 001_base.sql
create type state as enum ('open', 'closed');
-- file: 002_values.sql
alter type state add value 'done';
alter type state add value if not exists 'lost' after 'closed';
create type colour as enum ('red', 'bleu');
alter type colour rename value 'bleu' to 'blue';
