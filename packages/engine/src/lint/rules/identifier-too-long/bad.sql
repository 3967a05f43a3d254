create table a_table_with_a_name_that_goes_on_and_on_until_nobody_reads_it_any_more_1 (id BIGINT primary key); -- here
create table a_table_with_a_name_that_goes_on_and_on_until_nobody_reads_it_any_more_2 (id BIGINT primary key); -- here
