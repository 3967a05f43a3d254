create table orders (id bigint primary key, note text check (length(note) <= 255), code varchar);
